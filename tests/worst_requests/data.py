"""Creates the sessions for the table of worst requests through the API, once for all rows of a server."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from samples.collection_folders import make

LONG_MESSAGES = 1_000_000
MANY_SESSIONS = 1_000_000
_NDJSON = {"Content-Type": "application/x-ndjson"}
_LINES_AT_ONCE = 1_000
_PART_BYTES = 64 * 1024
_MAX_SECONDS = 600
_POLL_SECONDS = 0.2


class Data:
    """The data of the rows in one database. Large data is created at this `scale`; 1 is the size in the row's name."""

    def __init__(self, scale: float, folder: Path) -> None:
        self.scale = scale
        # The server may read collections below this folder.
        self.folder = folder
        self._url = ""
        self._made: dict[str, str] = {}
        self._imported = 0

    def use(self, url: str) -> None:
        """Create the data through this server from now on."""
        self._url = url

    def session(self, **new: Any) -> str:
        """The id of a new session."""
        return str(self._request("POST", "/sessions", json=new)["id"])

    def append(self, session_id: str, content: str) -> None:
        """Append a message."""
        self._request("POST", f"/sessions/{session_id}/messages", json={"content": content})

    def append_parts(self, session_id: str, parts: list[dict[str, str]]) -> None:
        """Append a message of parts."""
        self._request("POST", f"/sessions/{session_id}/messages", json={"parts": parts})

    def append_batch(self, session_id: str, messages: list[dict[str, Any]]) -> None:
        """Append messages of parts."""
        self._request("POST", f"/sessions/{session_id}/messages/batch", json={"messages": messages})

    def of_one_text(self, content: str) -> str:
        """The id of a new session with one message."""
        session_id = self.session()
        self.append(session_id, content)
        return session_id

    def long_session(self) -> str:
        """The id of a session of 1,000,000 messages, which is created once."""
        if "long" not in self._made:
            self._made["long"] = self.imported([round(LONG_MESSAGES * self.scale)])[0]
        return self._made["long"]

    def many_sessions(self) -> str:
        """The id of one of 1,000,000 sessions."""
        if "many" not in self._made:
            self._made["many"] = self.imported([0] * round(MANY_SESSIONS * self.scale))[0]
        return self._made["many"]

    def imported(self, lengths: list[int]) -> list[str]:
        """The ids of new sessions with these numbers of messages."""
        first = self._imported
        self._imported += len(lengths)
        ids = [_id(first + number) for number in range(len(lengths))]
        self._request("POST", "/import", content=_export(ids, lengths), headers=_NDJSON)
        return ids

    def file(self, size: int) -> str:
        """The path of a file of this size, which is created once."""
        if "file" not in self._made:
            parts = max(128, round(size * self.scale) // _PART_BYTES)
            content = (bytes([number % 256]) * _PART_BYTES for number in range(parts))
            self._made["file"] = str(self._request("POST", "/files", content=content)["url"])
        return self._made["file"]

    def image(self, size: int) -> str:
        """The path of a file of exactly this size with the media type of an image."""
        return str(self._request("POST", "/files", content=b"p" * size, params={"media": "image/png"})["url"])

    def collection(self, identifier: str, files: dict[str, str]) -> str:
        """The identifier of a collection of these files, which is created once."""
        if identifier not in self._made:
            make(self.folder / identifier, files)
            new = {"identifier": identifier, "source": self.source(identifier)}
            self._made[identifier] = str(self._request("POST", "/collections", json=new)["identifier"])
        return identifier

    def source(self, identifier: str) -> str:
        """The source of a collection."""
        return str(self.folder / identifier)

    def profiles(self, count: int, prefix: str, content: dict[str, Any]) -> None:
        """Create profiles, and a session for each profile."""
        with httpx.Client(base_url=self._url, timeout=_MAX_SECONDS) as client:
            for number in range(count):
                name = f"{prefix}/p{number}"
                client.post("/profiles", json={"name": name, **content}).raise_for_status()
                client.post("/sessions", json={"profile": name}).raise_for_status()

    def fork(self, session_id: str) -> str:
        """The id of a new fork of a session."""
        return str(self._request("POST", f"/sessions/{session_id}/fork", json={})["id"])

    def directory(self, path: str, metadata: dict[str, str]) -> None:
        """Amplify a directory, without a marker on the disk."""
        new = {"relative_path": path, "metadata": metadata, "create_marker": False}
        self._request("POST", "/amplified-directories", json=new)

    def small_file(self, number: int) -> str:
        """The path of a new small file."""
        return str(self._request("POST", "/files", content=b"%d" % number)["url"])

    def wait_until_found(self, search: str, session_id: str) -> None:
        """Wait until a search (a target with a query) finds a message of a session, written after all others."""
        ends = time.monotonic() + _MAX_SECONDS
        found = f"{self._url}{search}&session_id={session_id}"
        # The search is refused while too many messages wait for the index.
        while not (response := httpx.get(found, timeout=_MAX_SECONDS)).is_success or not response.json():
            assert time.monotonic() < ends, "The messages are not found."
            time.sleep(_POLL_SECONDS)

    def _request(self, method: str, path: str, **options: Any) -> Any:
        response = httpx.request(method, f"{self._url}{path}", timeout=_MAX_SECONDS, **options)
        response.raise_for_status()
        return response.json()


def _id(number: int) -> str:
    return str(UUID(int=(0x01900000_0000_7000_8000 << 48) + number))


def _export(ids: list[str], lengths: list[int]) -> Iterator[bytes]:
    yield json.dumps({"header": {"format": "amplifierd-export", "version": 1}}).encode() + b"\n"
    waiting: list[str] = []
    for session_id, length in zip(ids, lengths, strict=True):
        waiting.append(_session(session_id, length))
        for sequence in range(1, length + 1):
            waiting.append(_message(sequence))
            if len(waiting) >= _LINES_AT_ONCE:
                yield "".join(waiting).encode()
                waiting = []
        if len(waiting) >= _LINES_AT_ONCE:
            yield "".join(waiting).encode()
            waiting = []
    yield "".join(waiting).encode()


def _session(session_id: str, length: int) -> str:
    return (
        f'{{"session":{{"id":"{session_id}","status":"active","profile":"default","context":{{}},"amplifiedDir":".",'
        f'"createdAt":"2025-01-01T00:00:00.000000Z","updatedAt":"2025-01-01T00:00:00.000000Z",'
        f'"startedAt":"2025-01-01T00:00:00.000000Z","messageCount":{length},"tokenUsage":0,"version":1,'
        f'"name":"session {session_id[-12:]}"}}}}\n'
    )


def _message(sequence: int) -> str:
    return (
        f'{{"message":{{"role":"user","content":"the quick brown fox {sequence} jumps over the lazy dog",'
        f'"timestamp":"2025-01-01T00:00:00.000000Z","metadata":{{}},"sequence":{sequence}}}}}\n'
    )
