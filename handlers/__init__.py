"""The operations of the contract: one module for each tag, one function for each operationId.

A handler takes values and returns values. It uses the storage's interface, records and errors, and does not depend on
HTTP.
"""
