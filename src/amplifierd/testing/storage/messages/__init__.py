"""Tests of messages: transcripts, parts, corrections, client ids, files, event streams and search."""
