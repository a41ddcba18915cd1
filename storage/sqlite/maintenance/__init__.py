"""Maintenance of a SQLite file as a whole: backup, check, repair, compaction."""
