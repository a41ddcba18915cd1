"""Checks and repairs that all databases share: they compare values that are stored twice."""
