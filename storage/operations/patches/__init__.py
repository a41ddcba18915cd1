"""Patches: how a session's context is merged."""
