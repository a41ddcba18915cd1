"""Python, by openapi-python-client."""
