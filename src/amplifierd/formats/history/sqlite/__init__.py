"""Conversations that other tools keep in databases of SQLite: how these are opened, and a module for each format."""
