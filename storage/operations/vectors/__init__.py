"""Writes the vectors of messages in the background, with the configured embedder, in any SQL database."""
