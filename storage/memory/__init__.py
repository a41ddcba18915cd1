"""A storage in the memory of one process, in plain dictionaries: for tests, and as the reference for other storages.

It is simple rather than fast. `backend` opens it by the scheme `memory`; `contents` has the stored records; each of the
other modules implements a part of the interface.
"""
