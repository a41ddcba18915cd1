"""What the storage reckons with, whatever it keeps: times, ids, sizes and patches of JSON.

Imports nothing of ours; every other folder may import it.
"""
