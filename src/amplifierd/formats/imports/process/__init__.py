"""Converts a file that may be hostile, in a process of its own.

JSON, archives and databases of others are read by code that holds Python's lock for as long as a value takes, and whose
memory depends on what comes. So a file is read where a limit of the system ends what goes too far, and nobody waits.
"""
