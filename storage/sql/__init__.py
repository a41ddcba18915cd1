"""What every SQL backend has: how statements are run, long lists in temporary files, positions in lists.

Imports `values` and `model`. Statements that all databases share are in `statements/`.
"""
