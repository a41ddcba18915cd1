"""The parts of a search that all backends share: splitting queries and texts into words, snippets, ranking.

Imports `values`, `model` and `sql`; each backend finds messages with these words in its own way.
"""
