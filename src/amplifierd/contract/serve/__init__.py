"""The compiled contract as an ASGI application: errors, deadlines, response validation, documentation.

Imports all folders above; the rest of the package imports only `amplifierd.contract`.
"""
