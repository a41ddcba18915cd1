"""The behaviour of requests that are sent again, fail, or meet others, of exports and imports, and of the clock."""
