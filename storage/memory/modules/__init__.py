"""The modules that profiles name, and the mount plans that are made of them."""
