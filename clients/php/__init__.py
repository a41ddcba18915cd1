"""PHP, by openapi-generator."""
