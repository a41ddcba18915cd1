"""The index of words in SQLite: writing it, merging it, finding messages by it."""
