"""Patches: how a session's context is merged, and how messages are corrected and deleted afterwards."""
