"""How often the terms of a search are in a message, and how many words that has: what it is ranked by."""

import apsw


def register_counts(connection: apsw.Connection) -> None:
    """Let the connection count by `matches(search)` and `size(search)`."""
    connection.register_fts5_function("matches", _matches)
    connection.register_fts5_function("size", _size)


def _matches(api: apsw.FTS5ExtensionApi, *_arguments: object) -> int:
    return api.inst_count


def _size(api: apsw.FTS5ExtensionApi, *_arguments: object) -> int:
    return api.column_size(-1)
