"""Whether ids differ, of however many: eight bytes are kept of each."""

from array import array
from hashlib import blake2b

# By their first byte, so that few are compared at once.
_PARTS = 256
_DIGEST_BYTES = 9


class DistinctIds:
    """Ids of which it is asked in the end whether they are `all_distinct`."""

    def __init__(self) -> None:
        self._parts: list[array[int]] = []

    def add(self, text: str) -> None:
        """Take an id in."""
        if not self._parts:
            self._parts = [array("Q") for _ in range(_PARTS)]
        digest = blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest()
        self._parts[digest[0]].append(int.from_bytes(digest[1:]))

    def all_distinct(self) -> bool:
        """Whether none came twice; two that differ count as the same once in 2**72."""
        return all(len(set(part)) == len(part) for part in self._parts)
