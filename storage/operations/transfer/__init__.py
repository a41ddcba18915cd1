"""Export and import of sessions: all of a workspace, in constant memory and in pieces."""
