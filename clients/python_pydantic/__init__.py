"""Python, by openapi-generator, with pydantic."""
