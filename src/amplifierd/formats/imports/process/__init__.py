"""Converts a file that may be hostile, in a separate process.

The code that reads JSON, archives and foreign databases holds the GIL while it reads a value, and its memory depends on
the input. In a separate process, limits of the operating system stop it, and no other request waits for it.
"""
