"""What searches need besides an index: counts of what waits for background work, and the vectors of messages."""
