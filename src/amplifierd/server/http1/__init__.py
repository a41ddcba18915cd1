"""HTTP/1.1 on one connection (RFC 9112): parses requests, calls an ASGI application, writes responses, within limits.

It knows ASGI, but not the application behind it.
"""
