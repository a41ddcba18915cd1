"""The parts of a search that all backends share: the words of a query and of a text, snippets, the order of results.

Imports `values`, `model` and `sql`; each backend finds messages with these words in its own way.
"""
