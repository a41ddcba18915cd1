"""The search index in SQLite: writes and merges it, and finds messages with it."""
