"""A request taken apart: its headers bounded, its parameters and body decoded, validated and bound.

Imports `core`.
"""
