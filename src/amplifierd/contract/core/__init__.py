"""The parts that all of the contract uses: the document, its schemas, its paths, problems, a request's state.

Imports nothing else of the contract.
"""
