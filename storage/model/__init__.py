"""The interface of the storage: its methods, their records, and the errors that they raise.

Imports `values`. Handlers and the contract import no other folder of the storage.
"""
