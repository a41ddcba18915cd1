"""Go, by openapi-generator."""
