"""Following sessions: who waits for a change, who is told of it, and what a follower reads next."""
