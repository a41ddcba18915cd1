"""The vectors of messages: written in the background with a configured embedder, whichever the database."""
