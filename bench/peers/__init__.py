"""Programs to compare with: the same API in the usual style, and written only for speed."""
