"""Java, by openapi-generator."""
