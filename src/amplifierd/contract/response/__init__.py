"""Responses: representation, headers, entity tag, events.

Imports `core` and `request`.
"""
