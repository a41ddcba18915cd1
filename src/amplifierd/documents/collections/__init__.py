"""Reads collections: from a folder of this machine, or from a git repository that is fetched into a temporary one.

    source (what may be read) -> git (fetches it) -> folder (its files) -> reader (its profiles and lists)

`CollectionSources` in `sync` is what handlers and commands use; the storage keeps what they read.
"""
