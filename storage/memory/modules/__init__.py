"""The modules to which profiles refer, and the sources of mount plans."""
