"""TypeScript, by openapi-typescript and openapi-fetch."""
