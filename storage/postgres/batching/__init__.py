"""Requests that arrive together and go to PostgreSQL in one round trip."""
