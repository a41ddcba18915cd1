"""Requests: header limits, and parameters and bodies that are decoded, validated and bound.

Imports `core`.
"""
