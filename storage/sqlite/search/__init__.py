"""The search index in SQLite: writes it, merges it, and finds messages with it."""
