"""Clients generated from openapi.yaml in several languages, each compiled and played against a live daemon."""
