"""Kotlin, by openapi-generator."""
