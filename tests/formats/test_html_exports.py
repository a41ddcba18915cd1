"""A session as a page: its content cannot run scripts, load anything, or link to anything but web pages."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from amplifierd.formats.export_member import digest_of
from amplifierd.formats.exports import Losses, export_formats
from amplifierd.storage.model.records import Message, Session

Object = dict[str, Any]

TIME = "2026-03-01T10:00:00.000000Z"
TAGS = {
    *("a", "article", "blockquote", "body", "br", "code", "dd", "details", "div", "dl", "dt", "em", "h1", "h2", "h3"),
    *("h4", "h5", "h6", "head", "header", "hr", "html", "img", "li", "main", "meta", "ol", "p", "pre", "s", "span"),
    *("strong", "style", "summary", "table", "tbody", "td", "th", "thead", "time", "title", "tr", "ul"),
}
ATTRIBUTES = {
    *("alt", "charset", "class", "content", "datetime", "dir", "href", "http-equiv", "id", "lang", "name", "rel"),
    *("src", "start"),
}


class Page(HTMLParser):
    """The elements and the texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in {"meta", "br", "hr", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # `<hr />` closes no other element.
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    @property
    def links(self) -> list[str]:
        """The targets of the links."""
        return [attributes["href"] for tag, attributes in self.elements if "href" in attributes]


def page_of(*messages: Message, name: str = "Tides", **members: Any) -> str:
    """The page of a session."""
    session = Session(
        id="2489e9ad-2ee2-4e00-8ec9-32d5f69181c0",
        status="active",
        profile="default",
        context=Raw(b"{}"),
        amplified_dir=".",
        created_at=TIME,
        updated_at=TIME,
        message_count=len(messages),
        token_usage=0,
        version=1,
        name=name,
        **members,
    )
    writer = export_formats()["html"].writer(Losses(), digest_of)
    text = b"".join([writer.begin(session), *map(writer.add, messages), writer.turn()])
    return (text + writer.end(len(text))).decode()


def message_of(content: str, parts: list[Object] | None = None, role: str = "user", **members: Any) -> Message:
    """A message."""
    own = UNSET if parts is None else Raw(json.dumps(parts).encode())
    return Message(role=role, content=content, timestamp=TIME, metadata=Raw(b"{}"), sequence=1, parts=own, **members)  # type: ignore[arg-type]  # a role is one of the contract's


def check_inert(text: str) -> Page:
    """Check that a page is complete, and that nothing in it runs or is loaded."""
    page = Page(text)
    assert page.open == []
    assert {tag for tag, _ in page.elements} <= TAGS
    for tag, attributes in page.elements:
        assert set(attributes) <= ATTRIBUTES
        assert "src" not in attributes or attributes["src"].startswith("data:image/")
        assert "href" not in attributes or re.match("(?i)(https?|mailto):", attributes["href"])
        assert tag != "a" or not attributes or attributes["rel"] == "noopener noreferrer nofollow"
    assert [tag for tag, _ in page.elements].count("style") == 1
    return page


def test_page_has_a_policy_that_fits_its_style() -> None:
    text = page_of(message_of("# Tides\n\nHigh at **14:10**.", model="m-1"))
    check_inert(text)
    style = re.search("<style>(.*)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"content=\"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; " in text
    assert "<h1>Tides</h1>\n<p>High at <strong>14:10</strong>.</p>" in text
    assert "prefers-color-scheme: dark" in text


def test_calls_and_reasoning_are_folded() -> None:
    parts: list[Object] = [
        {"type": "reasoning", "text": "Look *there*."},
        {"type": "tool_call", "call": "c1", "name": "read", "input": '{"a": "<b>"}'},
        {"type": "tool_result", "call": "c1", "output": "one\ntwo", "error": True},
        {"type": "data", "kind": "a.b", "value": {"x": 1}},
        {"type": "source", "url": "https://example.com/?a=1&b=2", "title": "Tide <table>"},
    ]
    text = page_of(message_of("", parts, "assistant", agent="Ada"))
    page = check_inert(text)
    assert [tag for tag, _ in page.elements].count("details") == 4
    assert "<summary>Call of read</summary><pre>{&quot;a&quot;: &quot;&lt;b&gt;&quot;}</pre>" in text
    assert "<summary>Result of c1, an error</summary><pre>one\ntwo</pre>" in text
    assert page.links == ["https://example.com/?a=1&b=2"]
    assert "assistant (Ada)" in page.texts


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "&#106;avascript:alert(1)",
        "java\tscript:alert(1)",
        " javascript:alert(1)",
        "vbscript:x",
        "data:text/html,<script>alert(1)</script>",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "file:///etc/passwd",
        "//example.com/a",
        "/files/1",
        "#x",
        "urn:x:y",
    ],
)
def test_url_that_may_run_code_is_not_a_link(url: str) -> None:
    texts = [f"[x]({url})", f"[x](<{url}>)", f"<{url}>", f"[x]\n\n[x]: {url}", f"![x]({url})", f"[![x]({url})]({url})"]
    parts: list[Object] = [
        {"type": "file", "media": "text/html", "url": url},
        {"type": "file", "media": "image/png", "url": url},
        {"type": "source", "url": url},
    ]
    page = check_inert(page_of(*map(message_of, texts), message_of("", parts)))
    assert page.links == []
    assert not [attributes for tag, attributes in page.elements if tag == "img"]


def test_deleted_and_edited_messages_are_marked() -> None:
    edited = message_of("Again.", edited_at=TIME)
    text = page_of(edited, message_of("", deleted_at=TIME))
    check_inert(text)
    assert " UTC</time> · edited</p></header>" in text
    assert '<p class="note">This message was deleted.</p>' in text


def test_image_is_shown_if_it_is_in_the_message() -> None:
    inline = "data:image/png;base64,AA=="
    parts: list[Object] = [
        {"type": "text", "text": f"![a]({inline}) ![b](https://example.com/b.png)"},
        {"type": "file", "media": "image/png", "url": inline, "name": 'c"<'},
        {"type": "file", "media": "image/png", "url": "https://example.com/d.png", "name": "d"},
    ]
    page = check_inert(page_of(message_of("", parts)))
    images = [attributes for tag, attributes in page.elements if tag == "img"]
    assert images == [{"src": inline, "alt": "a"}, {"src": inline, "alt": 'c"<'}]
    assert page.links == ["https://example.com/b.png", "https://example.com/d.png"]


def test_long_text_is_whole() -> None:
    text = "\n\n".join([f"Paragraph {number} *with* words" for number in range(2_000)])
    fenced = "```\n" + "x\n\n" * 10_000 + "```\n\n**end**"
    page = check_inert(page_of(message_of(text), message_of(fenced), message_of("![" * 50_000)))
    assert [tag for tag, _ in page.elements].count("em") == 2_000
    assert "".join(page.texts).count("x\n\n") == 10_000
    assert "".join(page.texts).count("![") == 50_000


HOSTILE = st.sampled_from(
    [
        *("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</pre></details></article></main>", "<!--"),
        *("\"'><svg onload=alert(1)>", "[x](javascript:alert(1))", "![x](https://e.com/x.png)", "</style><style>"),
        *("<a href='javascript:x'>", "```", "~~~html", "|a|b|\n|-:|-|\n|c|d|\n", "- ", "> ", "\n\n", "\u202e", "`"),
        *('<https://e.com/"onclick=x>', "[a]: https://e.com 'x\" onclick=y'", "[a]", "</title><script>", "]]>"),
        *("&lt;", "&#0;", "\0", "-->"),
    ]
)
TEXTS = st.lists(HOSTILE | st.text(st.characters(codec="utf-8"), max_size=9), max_size=12).map("".join)


@settings(max_examples=150)
@given(text=TEXTS, other=TEXTS)
@example(text="---", other="a  \nb")
def test_hostile_text_is_only_text(text: str, other: str) -> None:
    parts: list[Object] = [
        {"type": "text", "text": text},
        {"type": "text", "text": other, "call": text},
        {"type": "reasoning", "text": other},
        {"type": "tool_call", "call": text, "name": other or "x", "input": text},
        {"type": "tool_result", "call": text, "output": other},
        {"type": "file", "media": other, "url": text, "name": text},
        {"type": "file", "media": "image/png", "url": "https://e.com/" + text, "name": other},
        {"type": "source", "url": "https://e.com/" + other, "title": text},
        {"type": "data", "kind": text, "value": {text: other}},
    ]
    message = message_of("", parts, agent=text, model=other)
    check_inert(page_of(message_of(text, role="tool"), message, name=text, labels={text: other}, error_message=other))
