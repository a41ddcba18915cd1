"""Benchmarks of amplifierd: its speed and its size, compared with two programs with the same API (see peers/)."""
