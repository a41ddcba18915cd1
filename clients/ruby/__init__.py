"""Ruby, by openapi-generator."""
