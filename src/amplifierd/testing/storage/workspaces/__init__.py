"""The behaviour of what else a workspace has: profiles, collections, directories and keys, and of its deletion."""
