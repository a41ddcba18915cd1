"""Requests that nobody chose: generated from the contract, from strategies and by mutation.

`model_compare` holds each storage to the storage in memory; `fuzz_hooks` is for Schemathesis.
"""
