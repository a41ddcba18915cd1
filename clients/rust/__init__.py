"""Rust, by openapi-generator."""
