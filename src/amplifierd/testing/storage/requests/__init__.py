"""Tests of requests: retries, failures and concurrency, exports and imports, and the clock."""
