"""Patches of clients' objects. A large object is merged before the transaction, because other writes wait for that."""

from collections.abc import Callable

import msgspec
from msgspec import Raw

from ...model.errors import StorageError
from ...values.json_text import MAX_VALUES, has_more_values, raw_text
from ...values.merge_patch import count_kept, merge_members

MAX_MEMBERS = 1_024
MAX_OBJECT_BYTES = 8 * 1024 * 1024
# Merging an object and a patch of this size in total takes a millisecond.
MAX_UNPREPARED_BYTES = 16 * 1024
# The number of attempts after which an object that other processes keep changing is merged while all writes wait.
MAX_PREPARATIONS = 5

# Makes the error from a phrase that says which limit was exceeded.
TooLarge = Callable[[str], StorageError]


class PatchedObject(msgspec.Struct, frozen=True):
    """The result of a patch of the object `before`."""

    before: str
    after: str


def patch_object(too_large: TooLarge, before: str, patch: Raw) -> PatchedObject:
    """Merge a patch (RFC 7396) into an object. Raises the error `too_large`."""
    # The merged object would have all of them.
    _check_members(too_large, count_kept(raw_text(patch)))
    members = merge_members(before, raw_text(patch))
    _check_members(too_large, len(members))
    merged = msgspec.json.encode(members)
    if len(merged) > MAX_OBJECT_BYTES:
        raise too_large(f"{len(merged)} bytes; the limit is {MAX_OBJECT_BYTES}")
    if has_more_values(merged, MAX_VALUES):
        raise too_large(f"more than {MAX_VALUES} values, which is the limit")
    return PatchedObject(before, merged.decode())


def _check_members(too_large: TooLarge, members: int) -> None:
    if members > MAX_MEMBERS:
        raise too_large(f"{members} members; the limit is {MAX_MEMBERS}")


def patch_or_defer(
    too_large: TooLarge, before: str, patch: Raw, prepared: PatchedObject | None, *, last: bool
) -> str | None:
    """The JSON of the object to write: `prepared`, if it was made from the current object, or a new merge.

    None if the object is large and must be prepared first, unless this is the `last` attempt. Raises the error
    `too_large`.
    """
    if prepared is not None and prepared.before == before:
        return prepared.after
    if not last and len(before) + len(bytes(patch)) > MAX_UNPREPARED_BYTES:
        return None
    return patch_object(too_large, before, patch).after
