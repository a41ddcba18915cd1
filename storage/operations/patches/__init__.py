"""Patches: merges into clients' objects, such as a session's context, and corrections and deletions of messages."""
