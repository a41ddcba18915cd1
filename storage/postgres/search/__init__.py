"""The search index in PostgreSQL: writes and rebuilds it, and finds messages with it."""
