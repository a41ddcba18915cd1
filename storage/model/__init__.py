"""The storage as its users see it: the interface, the records that go in and out, the errors that it raises.

Imports `values`. Handlers and the contract see this folder of the storage, and no other.
"""
