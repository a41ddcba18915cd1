"""Values that the storage computes with: times, ids, sizes and patches of JSON.

Imports nothing of ours; every other folder may import it.
"""
