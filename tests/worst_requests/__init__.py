"""The most expensive requests that a client can send, and how long other clients wait while they are served.

`table` has them all; the modules that it imports have those of one kind each. `bench/fair_share.py` measures them.
"""
