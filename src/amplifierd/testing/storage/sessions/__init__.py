"""Tests of sessions: creation, lists, status, branches, labels, patches and deletion."""
