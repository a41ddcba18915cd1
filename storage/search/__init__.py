"""What all backends agree on in a search: the words of a query, the words of a text, snippets, the order of results.

Imports `values`, `model` and `sql`; how messages with these words are found is each backend's.
"""
