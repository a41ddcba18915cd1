"""Reads conversations of other tools from their SQLite databases: opens the databases, one module for each format."""
