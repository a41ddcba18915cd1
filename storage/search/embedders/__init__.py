"""Embedders, which turn texts into vectors: found by an entry point, and imported only if one is configured."""
