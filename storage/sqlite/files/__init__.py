"""SQLite's files on the disk: where they are, who may open them, whether there is room."""
