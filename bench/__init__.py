"""What amplifierd costs: its speed and its size beside two programs of the same API (see peers/)."""
