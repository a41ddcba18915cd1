"""The most expensive requests for large responses: many at once, most of which are never read."""

from worst_requests.clients import JSON, MIB, Ask
from worst_requests.data import Data

_FORMATS = ("amplifierd", "openai", "anthropic", "sharegpt", "markdown", "html")


def _unread(targets: list[str], count: int) -> list[Ask]:
    return [Ask("GET", target, reads=False, repeats=False) for target in targets] * (count // len(targets))


def _large(data: Data) -> str:
    return f"/sessions/{data.of_one_text('large ' * (7 * MIB // 6))}"


def messages(data: Data) -> list[Ask]:
    return _unread([f"{_large(data)}/messages/1"], 60)


def transcripts(data: Data) -> list[Ask]:
    """Transcripts that are short enough to be read at once, in forms that each need a thread."""
    path = f"/sessions/{data.of_one_text('large ' * 40_000)}/messages"
    forms: tuple[dict[str, str], ...] = ({}, {"Accept-Encoding": "gzip"}, {"Accept": "application/x-ndjson"})
    return [Ask("GET", path, headers=form, reads=False, repeats=False) for form in forms] * 200


def exports(data: Data) -> list[Ask]:
    path = _large(data)
    return _unread([f"{path}/export?format={form}" for form in _FORMATS], 60)


def lists(data: Data) -> list[Ask]:
    context = data.session(context={"text": "x" * (7 * MIB)})
    return _unread([f"{_large(data)}/messages", f"/sessions/{context}"], 200)


def changes(data: Data) -> list[Ask]:
    """Changes of a session with a context of 7 MiB, and copies of it: each returns it."""
    path = f"/sessions/{data.session(context={'text': 'x' * (7 * MIB)})}"
    changes = [Ask("PATCH", path, b'{"name":"x"}', JSON, reads=False, repeats=False)] * 150
    return changes + [Ask("POST", f"{path}/fork", reads=False, repeats=False)] * 50


def exports_at_once(data: Data) -> list[Ask]:
    """Exports of a session with a context of 7 MiB and a message of as much, and of one of many messages."""
    session_id = data.session(context={"text": "x" * (7 * MIB)})
    data.append(session_id, "large " * (7 * MIB // 6))
    targets = [f"/sessions/{each}/export?format=amplifierd" for each in (session_id, data.long_session())]
    return [Ask("GET", target) for target in targets] * 20


def long_lists(data: Data) -> list[Ask]:
    return _unread([f"/sessions/{data.long_session()}/messages"], 24)


def long_exports(data: Data) -> list[Ask]:
    data.long_session()
    return _unread(["/export"], 24)


def records_of_a_session(data: Data) -> list[Ask]:
    return _unread([f"/sessions/{data.long_session()}/export?format=anthropic"], 24)


def exports_of_a_session(data: Data) -> list[Ask]:
    return _unread([f"/sessions/{data.long_session()}/export?files=true"], 24)


def replays(data: Data) -> list[Ask]:
    """All events of a session of 4 MB, for clients that read none of them."""
    session_id = data.session()
    for _ in range(4):
        data.append_batch(session_id, [{"content": "word " * 200}] * 1_000)
    return _unread([f"/sessions/{session_id}/events?after_sequence=0"], 600)


def replays_of_large_messages(data: Data) -> list[Ask]:
    session_ids = [data.session() for _ in range(4)]
    for session_id in session_ids:
        for _ in range(2):
            data.append(session_id, "large " * (7 * MIB // 6))
    return _unread([f"/sessions/{session_id}/events?after_sequence=0" for session_id in session_ids], 100)


def tails(data: Data) -> list[Ask]:
    """Tails that nobody reads, beside appends of large messages."""
    session_id = data.session()
    append = Ask.of_json("POST", f"/sessions/{session_id}/messages", {"content": "large " * (4 * MIB // 6)})
    return [*_unread([f"/sessions/{session_id}/events"], 200), append]
