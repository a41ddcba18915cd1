"""C#, by openapi-generator."""
