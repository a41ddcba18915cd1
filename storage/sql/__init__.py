"""What every SQL backend has: how statements are run, long lists on their way, positions in lists.

Imports `values` and `model`. A statement that all databases share is in `statements/`.
"""
