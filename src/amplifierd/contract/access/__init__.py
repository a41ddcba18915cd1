"""Who may ask, from where, and how often: keys, origins, rates, and probes that are always served.

Imports `core`.
"""
