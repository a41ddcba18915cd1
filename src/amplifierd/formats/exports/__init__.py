"""Formats in which sessions are exported: records of other programs, and documents for people.

They are found by the entry point group `amplifierd.exports`, also those of other packages.
"""

from importlib.metadata import entry_points

from .interface import ExportFormat, Losses, SessionWriter

GROUP = "amplifierd.exports"


def export_formats() -> dict[str, ExportFormat]:
    """The formats that are installed, by name. Of two with one name the first in the order of packages is taken."""
    found: dict[str, ExportFormat] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        found.setdefault(point.name, point.load()())
    return found


__all__ = ["ExportFormat", "Losses", "SessionWriter", "export_formats"]
