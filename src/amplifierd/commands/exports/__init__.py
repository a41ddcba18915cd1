"""`amplifierd export`: which sessions, in which format, and where they are written."""
