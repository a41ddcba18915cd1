"""Labels of sessions: limits, patches, and the stored form."""

import re
from collections.abc import Mapping

import msgspec
from msgspec import UnsetType

from ..model.errors import LabelsInvalid

MAX_LABELS = 64
MAX_KEY = 200

_KEY = re.compile(r"[^\x00-\x1f\x7f:]*")


def check_labels(labels: Mapping[str, object]) -> None:
    """Raises `LabelsInvalid` if there are too many labels, or one has an invalid key."""
    for key in labels:
        if not 1 <= len(key) <= MAX_KEY:
            raise LabelsInvalid(_pointer(key), f"has a key of {len(key)} characters; it has 1 to {MAX_KEY}")
        if _KEY.fullmatch(key) is None:
            raise LabelsInvalid(_pointer(key), "has a key with a colon or a control character")
    if len(labels) > MAX_LABELS:
        raise LabelsInvalid("/labels", f"would be {len(labels)}; the limit is {MAX_LABELS}")


def patch_labels(before: str | None, patch: Mapping[str, str | None]) -> str | None:
    """Merge a patch (RFC 7396) into stored labels. Returns them in stored form. Raises `LabelsInvalid`."""
    labels: dict[str, str] = {} if before is None else msgspec.json.decode(before)
    for key, value in patch.items():
        if value is None:
            labels.pop(key, None)
        else:
            labels[key] = value
    check_labels(labels)
    return labels_as_json(labels)


def labels_as_json(labels: Mapping[str, str] | UnsetType) -> str | None:
    """Labels in their stored form: a JSON object, or None if there are none."""
    return msgspec.json.encode(labels).decode() if labels else None


# Labels from their stored form.
labels_from_json = msgspec.json.Decoder(dict[str, str]).decode


def readable_labels(labels: str | None) -> dict[str, str] | None:
    """Labels from their stored form, which may be damaged: None if it is invalid, or if no session may have them."""
    try:
        readable = {} if labels is None else labels_from_json(labels)
        check_labels(readable)
    except (msgspec.MsgspecError, LabelsInvalid):
        return None
    return readable


def _pointer(key: str) -> str:
    return f"/labels/{key.replace('~', '~0').replace('/', '~1')}"
