"""Checks that any number of ids differ, with eight bytes of memory for each."""

from array import array
from hashlib import blake2b

# Ids are grouped by the first byte of their digest, so that only a small part is compared at a time.
_PARTS = 256
_DIGEST_BYTES = 9


class DistinctIds:
    """Collects ids; `all_distinct` reports whether they differ."""

    def __init__(self) -> None:
        self._parts: list[array[int]] = []

    def add(self, text: str) -> None:
        """Add an id."""
        if not self._parts:
            self._parts = [array("Q") for _ in range(_PARTS)]
        digest = blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest()
        self._parts[digest[0]].append(int.from_bytes(digest[1:]))

    def all_distinct(self) -> bool:
        """Whether no id was added twice. Two different ids are taken for equal with a probability of 1 in 2**72."""
        return all(len(set(part)) == len(part) for part in self._parts)
