"""A response put together: its representation, its headers, its entity tag, its events.

Imports `core` and `request`.
"""
