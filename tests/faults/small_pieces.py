"""`python tests/faults/small_pieces.py python -m amplifierd ...`: large writes in pieces of a few messages."""

import runpy
import sys

from amplifierd.storage.operations.bulk import removal

# Worker processes run this too.
removal.MESSAGES_AT_ONCE = 3
removal.MESSAGES_AT_DELETION = 2
# So that the remains of a killed process are removed soon.
removal.LEASE_SECONDS = 2

if __name__ == "__main__":
    _, _, module, *sys.argv[1:] = sys.argv[1:]
    runpy.run_module(module, run_name="__main__")
