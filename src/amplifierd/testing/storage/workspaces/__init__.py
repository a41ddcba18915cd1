"""Tests of the other contents of a workspace: profiles, collections, directories and keys, and of its deletion."""
