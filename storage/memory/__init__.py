"""A storage in the memory of one process, in plain dictionaries: for tests, and as the model that others are held to.

It is simple rather than fast. `backend` opens it; `contents` is what it stores; the other modules carry out the
interface, each a part of it. Found by the scheme `memory`.
"""
