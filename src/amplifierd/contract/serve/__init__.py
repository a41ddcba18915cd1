"""The compiled contract as an ASGI application: errors, deadlines, checks of responses, documentation.

Imports all folders above; the package outside imports `amplifierd.contract` alone.
"""
