"""TypeScript, by hey-api, with zod."""
