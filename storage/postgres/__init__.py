"""The storage in PostgreSQL, for many machines on one database."""
