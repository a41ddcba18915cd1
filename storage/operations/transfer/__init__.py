"""Exports and imports sessions, up to all of a workspace, in constant memory and in pieces."""
