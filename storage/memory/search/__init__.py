"""The search in memory: by words and by meaning, without an index."""
