"""The storage in PostgreSQL, for many machines on one database.

Imports every shared folder of the storage, and nothing of `sqlite`.
"""
