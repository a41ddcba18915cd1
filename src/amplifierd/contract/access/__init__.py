"""Access control: keys, hosts and origins, rates, and probes that are always served.

Imports `core`.
"""
