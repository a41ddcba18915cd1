"""The storage in one SQLite file: one thread writes in groups, readers have connections of their own.

Imports every shared folder of the storage, and nothing of `postgres`.
"""
