"""Embedders, which convert texts to vectors. Packages register them; one is imported only if it is configured."""
