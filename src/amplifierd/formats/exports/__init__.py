"""Formats in which sessions are exported: records of other programs, and documents for people.

Packages register them in the entry point group `amplifierd.exports`.
"""

from importlib.metadata import entry_points

from .interface import ExportFormat, Losses, SessionWriter

GROUP = "amplifierd.exports"


def export_formats() -> dict[str, ExportFormat]:
    """The installed formats by name. If two have the same name, the first one in the order of packages is used."""
    found: dict[str, ExportFormat] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        found.setdefault(point.name, point.load()())
    return found


__all__ = ["ExportFormat", "Losses", "SessionWriter", "export_formats"]
