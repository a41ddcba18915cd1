"""HTTP/1.1 on one connection (RFC 9112): bytes in, ASGI calls, bytes out, within limits.

Knows ASGI and nothing of the application behind it.
"""
