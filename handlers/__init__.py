"""What each operation does: a module for each tag of the contract, a function for each operationId.

A handler takes values and returns values. It sees of the storage the interface, the records and the errors, and nothing
of HTTP.
"""
