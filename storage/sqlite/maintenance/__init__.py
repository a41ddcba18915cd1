"""Maintenance of a SQLite file as a whole: backs it up, checks, repairs and compacts it."""
