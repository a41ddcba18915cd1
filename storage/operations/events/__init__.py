"""Following sessions: waits for changes, wakes readers, and reads their next events."""
