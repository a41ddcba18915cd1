"""The index of words in PostgreSQL, and finding messages by it."""
