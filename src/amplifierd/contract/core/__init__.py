"""What every part of the contract speaks of: the document, its schemas, its paths, problems, a request's state.

Imports nothing else of the contract.
"""
