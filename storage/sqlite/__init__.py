"""The storage in one SQLite file: one thread commits writes in groups, readers have their own connections.

Imports every shared folder of the storage, but nothing from `postgres`.
"""
