"""The most expensive requests for files."""

from worst_requests.clients import KIB, MIB, Ask
from worst_requests.data import Data


def _large_file_export(data: Data) -> str:
    """The export of a session whose message refers to a file of 256 MiB; its text takes longest to compress."""
    session_id = data.session()
    url = data.file(256 * MIB)
    data.append_parts(session_id, [{"type": "file", "media": "application/octet-stream", "url": url}])
    return f"/sessions/{session_id}/export?files=true"


def exports_of_a_large_file(data: Data) -> Ask:
    return Ask("GET", _large_file_export(data), headers={"Accept-Encoding": "gzip"})


def unread_exports_of_a_large_file(data: Data) -> list[Ask]:
    return [Ask("GET", _large_file_export(data), reads=False, repeats=False) for _ in range(24)]


def uploads(data: Data) -> list[Ask]:
    """Different files of the maximal size, uploaded repeatedly."""
    parts = max(128, round(256 * MIB * data.scale) // (64 * KIB))
    return [Ask("POST", "/files", [b"%d" % number, *[b"x" * (64 * KIB)] * (parts - 1)]) for number in range(8)]


def uploads_in_small_chunks(_data: Data) -> Ask:
    return Ask("POST", "/files", b"x" * MIB, chunk_bytes=1)


def slow_uploads(_data: Data) -> list[Ask]:
    body = [b"x" * (64 * KIB)] * 64
    return [Ask("POST", "/files", body, reads=False, repeats=False) for _ in range(100)]


def downloads(data: Data) -> Ask:
    return Ask("GET", data.file(256 * MIB))


def unread_downloads(data: Data) -> list[Ask]:
    return [Ask("GET", data.file(256 * MIB), reads=False, repeats=False) for _ in range(24)]


def ranges(data: Data) -> list[Ask]:
    """Ranges of two bytes, in two chunks."""
    places = [64 * KIB * (1 + number) - 1 for number in range(32)]
    return [Ask("GET", data.file(256 * MIB), headers={"Range": f"bytes={at}-{at + 1}"}) for at in places]


def many_files(data: Data) -> Ask:
    """A batch of messages that all refer to the same files."""
    urls = [data.small_file(number) for number in range(40)]
    parts = [{"type": "file", "media": "image/png", "url": url} for url in urls]
    return Ask.of_json("POST", f"/sessions/{data.session()}/messages/batch", {"messages": [{"parts": parts}] * 500})


def exports_of_one_file_many_times(data: Data) -> list[Ask]:
    """Sessions with a message that refers to a file of 15 MB 200 times, and with 50 messages that refer to it once."""
    part = {"type": "file", "media": "image/png", "url": data.image(15_000_000)}
    sessions = [data.session(), data.session()]
    data.append_parts(sessions[0], [part] * 200)
    data.append_batch(sessions[1], [{"parts": [part]}] * 50)
    exports = [f"/sessions/{session_id}/export?files=true" for session_id in sessions]
    return [Ask("GET", f"{export}&format={form}") for form in ("openai", "anthropic", "html") for export in exports]


def unread_exports_of_files(data: Data) -> list[Ask]:
    """Exports of 8 messages, each with a file of 15 MB, whose clients do not read."""
    session_id = data.session()
    part = {"type": "file", "media": "image/png", "url": data.image(15_000_000)}
    data.append_batch(session_id, [{"parts": [part]}] * 8)
    exports = [f"/sessions/{session_id}/export?files=true&format={form}" for form in ("openai", "anthropic", "html")]
    return [Ask("GET", export, reads=False, repeats=False) for export in exports * 8]


def exports_without_their_files(data: Data) -> list[Ask]:
    """Exports of 2,000 messages whose files are left out, and of a session with a context of 7 MiB."""
    session_id = data.session(context={"text": "x" * (7 * MIB)})
    part = {"type": "file", "media": "image/png", "url": data.small_file(0)}
    for _ in range(4):
        data.append_batch(session_id, [{"parts": [part]}] * 500)
    return [Ask("GET", f"/sessions/{session_id}/export?format={form}") for form in ("openai", "html") for _ in range(4)]
