"""Checks and repairs that all databases share: what is stored twice has to agree."""
