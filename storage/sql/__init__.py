"""The parts of every SQL backend: interfaces for running statements, long lists in temporary files, list positions.

Imports `values` and `model`. Statements that all databases share are in `statements/`.
"""
