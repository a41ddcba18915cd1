"""Sessions as self-contained web pages, one file each, that run no script and load nothing."""

import base64
import hashlib
from collections.abc import Iterator
from html import escape

from msgspec import UNSET

from ...storage.model.records import Message, Session
from .html_parts import message_html, shortened, spoken_time
from .interface import DigestOf, Losses
from .markdown import count_unwritten

STYLE = """
:root { color-scheme: light dark; --text: #1c1c1e; --dim: #5f6368; --page: #fff; --user: #eef4ff; --line: #d8dade; --code: #f4f5f7; --link: #0b57d0; }
@media (prefers-color-scheme: dark) { :root { --text: #e8e8ea; --dim: #a5a9b0; --page: #17181a; --user: #1d2a3f; --line: #3a3d42; --code: #222428; --link: #8ab4f8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 48rem; padding: 1.5rem 1rem 4rem; background: var(--page); color: var(--text); font: 1rem/1.6 system-ui, sans-serif; overflow-wrap: anywhere; }
a { color: var(--link); }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .75rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 0 0 2rem; color: var(--dim); font-size: .875rem; }
dd { margin: 0; }
article { border-top: 1px solid var(--line); padding: 1rem 0; }
article > div :is(p, li, h1, h2, h3, h4, h5, h6, th, td), pre { unicode-bidi: plaintext; }
code { direction: ltr; unicode-bidi: isolate; }
pre:has(code) { direction: ltr; unicode-bidi: isolate; }
article.user { background: var(--user); border: 0; border-radius: .75rem; padding: 1rem; margin: .5rem 0; }
article > header { display: flex; flex-wrap: wrap; gap: 0 .75rem; align-items: baseline; }
article > header h2 { font-size: 1rem; margin: 0; }
article > header p, .note, .file { color: var(--dim); font-size: .875rem; margin: .25rem 0; }
pre, code { font: .875rem/1.5 ui-monospace, monospace; background: var(--code); border-radius: .25rem; }
code { padding: .1rem .25rem; }
pre { padding: .75rem; overflow-x: auto; white-space: pre-wrap; }
pre code { padding: 0; }
table { display: block; overflow-x: auto; border-collapse: collapse; }
th, td { border: 1px solid var(--line); padding: .25rem .5rem; text-align: start; }
.right { text-align: right; } .center { text-align: center; }
blockquote { margin: 0; padding-inline-start: 1rem; border-inline-start: .25rem solid var(--line); color: var(--dim); }
img { max-width: 100%; height: auto; }
details { border: 1px solid var(--line); border-radius: .5rem; padding: .4rem .75rem; margin: .5rem 0; }
summary { cursor: pointer; color: var(--dim); font-size: .875rem; }
@media print { body { max-width: none; } article { break-inside: avoid-page; } }
"""  # noqa: E501  # a rule a line
# Only this style, and images that are in the page; scripts, forms, frames and connections do not exist for it.
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; base-uri 'none'; form-action 'none'"

# The labels of a session's fields on the page.
_ABOUT = {
    "Profile": "profile",
    "Directory": "amplified_dir",
    "Status": "status",
    "Error": "error_message",
    "Created": "created_at",
    "Updated": "updated_at",
    "Fork of": "parent_session_id",
    "Messages": "message_count",
}


class HTMLExport:
    """See `ExportFormat`."""

    name = "html"
    suffix = ".html"
    media = "text/html"
    is_document = True
    has_files_beside = False

    def writer(self, losses: Losses, _digest: DigestOf, /) -> "_HTMLWriter":
        """See `ExportFormat`."""
        return _HTMLWriter(losses)


class _HTMLWriter:
    """See `SessionWriter`."""

    is_read_twice = False

    def __init__(self, losses: Losses) -> None:
        self._losses = losses

    def begin(self, session: Session, /) -> bytes:
        """See `SessionWriter`."""
        count_unwritten(session, self._losses)
        title = escape(session.name if isinstance(session.name, str) else f"Session {session.id}")
        about = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in _about(session))
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="referrer" content="no-referrer">\n'
            f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
            f'<header>\n<h1 dir="auto">{title}</h1>\n<dl>{about}</dl>\n</header>\n<main>\n'
        ).encode()

    def add(self, message: Message, /) -> bytes:
        """See `SessionWriter`."""
        count_unwritten(message, self._losses)
        return message_html(message).encode()

    def turn(self) -> bytes:
        """See `SessionWriter`."""
        footer = "".join(f'<footer class="note">{escape(sentence)}</footer>\n' for sentence in self._losses.sentences())
        return f"</main>\n{footer}</body>\n</html>\n".encode()

    def add_again(self, _message: Message, /) -> bytes:
        """See `SessionWriter`."""
        return b""

    def end(self, _size: int, /) -> bytes:
        """See `SessionWriter`."""
        return b""


def _about(session: Session) -> Iterator[tuple[str, str]]:
    yield "Session", session.id
    for name, field in _ABOUT.items():
        value = getattr(session, field)
        if value is not UNSET:
            yield name, spoken_time(value) if field.endswith("_at") else shortened(str(value))
    if isinstance(session.labels, dict) and session.labels:
        yield "Labels", ", ".join(f"{key}: {value}" for key, value in sorted(session.labels.items()))
    usage = session.usage
    if usage is not UNSET:
        yield "Tokens", f"{usage.input_tokens or 0} in, {usage.output_tokens or 0} out"
        if isinstance(usage.cost, str):
            yield "Cost", f"{usage.cost} {usage.currency or ''}".strip()
