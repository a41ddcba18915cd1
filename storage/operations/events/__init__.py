"""Following sessions: waiting for changes, waking the readers, and what a reader reads next."""
