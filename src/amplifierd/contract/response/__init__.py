"""Responses: representations, content codings, headers, entity tags, events.

Imports `core` and `request`.
"""
