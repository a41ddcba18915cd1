"""The search in memory: by words and by meaning, in all that is stored, without an index."""
