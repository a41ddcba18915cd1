"""What amplifierd stands beside: the same API written the usual way, and written for nothing but speed."""
