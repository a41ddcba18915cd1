"""SQLite's files on disk: replaces and locks them, and checks for free space."""
