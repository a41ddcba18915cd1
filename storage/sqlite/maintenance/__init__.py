"""What is done to a SQLite file as a whole: backup, check, repair, compaction."""
