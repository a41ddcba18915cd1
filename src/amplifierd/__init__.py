"""A contract-first store for LLM conversations, served over HTTP."""

__version__ = "0.1.0"
