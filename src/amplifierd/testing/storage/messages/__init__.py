"""The behaviour of messages: transcripts, parts, corrections, ids of clients, files, and those who follow a session."""
