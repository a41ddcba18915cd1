"""The member `amplifierd` of an exported record: data that the messages of its format cannot represent."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from .history.values import line_of, list_of, message_id_of, object_of, time_of
from .interface import ROLES, Object

EXPORT_MEMBER = "amplifierd"
# A session has 64 labels, two of which an import adds.
_MAX_LABELS = 62
# Members that replace members of the messages.
_REPLACED = ("agent", "tokenCount", "usage", "model")

DIGEST_CHARACTERS = 16

# A value as JSON; equal values have the same text.
canonical = msgspec.json.Encoder(order="sorted").encode


def is_same_json(first: Any, second: Any) -> bool:
    """Whether two values are the same JSON: `1` is not `1.0`."""
    return first == second and canonical(first) == canonical(second)


def digest_of(written: list[Any]) -> str:
    """A digest of messages, by which an import detects later edits."""
    return sha256(canonical(written)).hexdigest()[:DIGEST_CHARACTERS]


class RestoredMessages(NamedTuple):
    """The messages of a session, and how many of them are copied from its parent; None if it is not a fork."""

    messages: list[Object]
    forked_at: int | None = None


def session_in(record: Object) -> Object:
    """The session of a record; an empty object if it is not an export."""
    return object_of(object_of(record.get(EXPORT_MEMBER)).get("session"))


def labels_in(session: Object) -> dict[str, str]:
    """The labels of a session that the contract allows."""
    found = object_of(session.get("labels")).items()
    valid = [(key, line_of(value)) for key, value in found if line_of(key) == key and ":" not in key]
    return {key: value for key, value in valid[:_MAX_LABELS] if value is not None}


def restore_messages(record: Object, sources: list[Object], found: list[Object]) -> RestoredMessages | None:
    """Restore the members of messages that an export kept beside them; `found` are the messages read from `sources`.

    The messages are `found` if the record is not an export. Returns None if it is an export of other messages.
    """
    member = object_of(record.get(EXPORT_MEMBER))
    if "messages" not in member:
        return RestoredMessages(found)
    rests = [object_of(rest) for rest in list_of(member["messages"])]
    counts = [_count(rest) for rest in rests]
    if sum(counts) != len(found):
        return None
    restored = [*_restore_each(sources, found, rests, counts)]
    copied = _forked_at(session_in(record))
    # An edited message can be several, and a deleted one is none.
    forked_at = None if copied is None else sum(sequence <= copied for sequence, _ in restored)
    return RestoredMessages([message for _, message in restored], forked_at)


def _forked_at(session: Object) -> int | None:
    """The sequence of the last message that a fork copied."""
    copied = session.get("forkedAtSequence")
    is_fork = isinstance(session.get("parentSessionId"), str)
    return copied if is_fork and isinstance(copied, int) and not isinstance(copied, bool) and copied >= 0 else None


def _restore_each(
    sources: list[Object], found: list[Object], rests: list[Object], counts: list[int]
) -> Iterator[tuple[int, Object]]:
    """The messages, each with the sequence that it had in the export."""
    place = 0
    ids: set[str] = set()
    for sequence, (rest, count) in enumerate(zip(rests, counts, strict=True), 1):
        group, written = found[place : place + count], sources[place : place + count]
        place += count
        if "deletedAt" in rest:
            continue
        messages = [_with(group, rest)] if _is_unchanged(rest, written) else group
        for message in messages:
            identity = rest.get("id")
            message_id = message_id_of(identity) if isinstance(identity, str) else None
            yield sequence, {**message, "id": None if message_id in ids else message_id}
            ids.update([message_id] if message_id else [])


def _count(rest: Object) -> int:
    count = rest.get("count", 1)
    return count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else 1


def _is_unchanged(rest: Object, written: list[Object]) -> bool:
    """Whether the messages are those of the export; a single message whose parts differ needs a digest."""
    if "digest" in rest:
        return bool(rest["digest"] == digest_of(written))
    return len(written) == 1


def _with(group: list[Object], rest: Object) -> Object:
    read = group[0] if group else {"role": "assistant", "parts": [], "metadata": {}}
    message = {**read, **{name: rest[name] for name in _REPLACED if name in rest}}
    message["timestamp"] = time_of(rest.get("timestamp")) or read.get("timestamp")
    if rest.get("role") in ROLES and _are_parts(rest.get("parts")):
        message |= {"role": rest["role"], "parts": rest["parts"]}
    if isinstance(rest.get("metadata"), dict):
        message["metadata"] = rest["metadata"]
    return {name: value for name, value in message.items() if value is not None or name == "timestamp"}


def _are_parts(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(part, dict)
        and isinstance(part.get("type"), str)
        and isinstance(part.get("text", ""), str)
        and (part["type"] != "text" or "text" in part)
        for part in value
    )
