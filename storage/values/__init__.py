"""Values that the storage computes with: times, ids, sizes and patches of JSON.

Imports nothing else of the storage; every other folder may import it.
"""
