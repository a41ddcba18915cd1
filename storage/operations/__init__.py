"""The reads and writes of each operation of the interface, shared by all SQL backends.

Imports `values`, `model`, `sql` and `search`; depends on no database and no driver.
"""
