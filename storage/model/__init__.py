"""The interface of the storage: its methods, their records, and the errors that they raise.

Imports `values`. Handlers and the contract see this folder of the storage, and no other.
"""
