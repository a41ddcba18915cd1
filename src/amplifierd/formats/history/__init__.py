"""Conversations that other tools keep in files: one module for each format.

Packages register them in the entry point group `amplifierd.formats`.
"""

from importlib.metadata import entry_points

from .branches import Branch, Layout, connect, usage_of_nodes
from .conversations import Collection, Conversation, MessageFile, Node
from .folders import OpenFile, folder_of, open_folder
from .interface import (
    AttachedRecord,
    Chat,
    Fault,
    FolderFormat,
    Head,
    HistoryFormat,
    NotRecognized,
    Object,
    Place,
    SessionName,
    Step,
    Title,
    Turn,
)
from .json_records import MAX_BYTES, Record, read_head, read_records, read_steps
from .values import NO_TIME, line_of, time_of, without

GROUP = "amplifierd.formats"


def history_formats() -> dict[str, HistoryFormat]:
    """The installed formats by name. If two have the same name, the first one in the order of packages is used."""
    found: dict[str, HistoryFormat] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        found.setdefault(point.name, point.load()())
    return found


def recognize(formats: dict[str, HistoryFormat], head: Head) -> HistoryFormat:
    """The format of a source with this beginning. Raises `NotRecognized`."""
    for each in formats.values():
        if each.recognizes(head):
            return each
    raise NotRecognized(f"No format recognizes it; known are {', '.join(formats)}")


__all__ = [
    "MAX_BYTES",
    "NO_TIME",
    "AttachedRecord",
    "Branch",
    "Chat",
    "Collection",
    "Conversation",
    "Fault",
    "FolderFormat",
    "Head",
    "HistoryFormat",
    "Layout",
    "MessageFile",
    "Node",
    "NotRecognized",
    "Object",
    "OpenFile",
    "Place",
    "Record",
    "SessionName",
    "Step",
    "Title",
    "Turn",
    "connect",
    "folder_of",
    "history_formats",
    "line_of",
    "open_folder",
    "read_head",
    "read_records",
    "read_steps",
    "recognize",
    "time_of",
    "usage_of_nodes",
    "without",
]
