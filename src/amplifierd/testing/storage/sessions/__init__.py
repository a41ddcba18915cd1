"""The behaviour of sessions: their creation, their lists, their states, branches, labels, patches and deletion."""
