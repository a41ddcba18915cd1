"""Maintenance of a PostgreSQL database as a whole: check, repair and compaction."""
