"""What each operation of the interface reads and writes, once for all SQL backends.

Imports `values`, `model`, `sql` and `search`; knows no database and no driver.
"""
