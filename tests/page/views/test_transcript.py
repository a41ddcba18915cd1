"""A transcript of any length opens where the address says, and keeps few elements at any scroll position."""

import json
import re
from base64 import b64decode
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from conftest import sqlite_daemon

daemon = sqlite_daemon

COUNT = 2_000
# The elements of the whole page, whatever the length of the transcript: chunks of 20 messages of some 12 elements.
MAX_NODES = 4_000

# A PNG of one pixel.
PIXEL = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=")
# An Arabic text whose second paragraph is English; its list, quote and code.
ARABIC = """مرحبا

An English paragraph.

1. أولاً

> اقتباس

```bash
git rebase # تعليق
```

| الأمر |
|---|
| دمج |
"""
CODE = "Look:\n\n```python\nprint('once')\n```\n\n| a | b |\n|---|---|\n| 1 | $x^2$ |\n"

# Whether the text of an element begins at the left end of the message, and ends at the right one.
SIDES = """element => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const text = range.getBoundingClientRect();
    const message = element.closest("article").getBoundingClientRect();
    return [text.left - message.left < 60, message.right - text.right < 80];
}"""

# The reader scrolls after messages have arrived, before the page has drawn them.
SCROLL_BEFORE_DRAWING = """() => {
    const fetchFirst = window.fetch;
    window.fetch = async (...request) => {
        const response = await fetchFirst(...request);
        const text = await response.text();
        document.querySelector(".transcript").scrollBy(0, 300);
        return new Response(text, response);
    };
}"""

IS_AT_TOP = """sequence => {
    const top = document.querySelector(`[data-sequence='${sequence}']`).getBoundingClientRect().top
        - document.querySelector('.transcript').getBoundingClientRect().top;
    return top >= 0 && top < 40;
}"""

SCROLL_TO_CHUNK = """async number => {
    for (;;) {
        const first = document.querySelector("section[data-chunk]");
        first.querySelector("[data-sequence]").scrollIntoView();
        if (first.dataset.chunk === number) {
            return;
        }
        await new Promise(requestAnimationFrame);
    }
}"""


@pytest.fixture(scope="module")
def long_session(new_session: Callable[..., str]) -> str:
    """A session with many messages of different heights."""
    messages = (f"This is message {number}. {'And more. ' * (number % 40)}" for number in range(1, COUNT + 1))
    session: str = new_session(*messages, name="Long")
    return session


def nodes(page: Page) -> int:
    """The number of elements in the document."""
    count: int = page.evaluate("document.querySelectorAll('*').length")
    return count


def row(page: Page, sequence: int) -> Locator:
    """The row of a message in the transcript."""
    return page.locator(f"[data-sequence='{sequence}']")


def top(page: Page, sequence: int) -> float:
    """The distance of a message from the top of the transcript, in pixels."""
    script = """sequence => document.querySelector(`[data-sequence='${sequence}']`).getBoundingClientRect().top
        - document.querySelector('.transcript').getBoundingClientRect().top"""
    pixels: float = page.evaluate(script, sequence)
    return pixels


def test_transcript_opens_at_its_end(page: Page, long_session: str) -> None:
    page.goto(f"/?session={long_session}")
    expect(row(page, COUNT)).to_be_in_viewport()
    assert nodes(page) < MAX_NODES


@pytest.mark.parametrize(("place", "shown"), [("", COUNT), ("#1000", 1_000)])
def test_transcript_opens_with_two_requests(page: Page, long_session: str, place: str, shown: int) -> None:
    targets: list[str] = []
    page.on("request", lambda request: targets.append(request.url.partition("/api/v1/")[2]))
    page.goto(f"/?session={long_session}{place}")
    expect(row(page, shown)).to_be_in_viewport()
    session, messages, *others = [address for address in targets if address]
    assert session == f"sessions/{long_session}"
    assert messages.startswith(f"sessions/{long_session}/messages?")
    assert [address for address in others if "after_sequence" in address and "events" not in address] == []


@pytest.mark.parametrize("sequence", [1, 42, 1_000])
def test_transcript_opens_at_a_message(page: Page, long_session: str, sequence: int) -> None:
    page.goto(f"/?session={long_session}#{sequence}")
    expect(row(page, sequence)).to_be_in_viewport()
    expect(row(page, sequence)).to_have_class(re.compile("is-target"))
    page.wait_for_function(IS_AT_TOP, arg=sequence)
    assert nodes(page) < MAX_NODES


@pytest.mark.parametrize(("typed", "shown"), [("1,500", 1_500), ("#77", 77), (" 12 ", 12), ("99999", COUNT)])
def test_reader_goes_to_a_message(page: Page, long_session: str, typed: str, shown: int) -> None:
    page.goto(f"/?session={long_session}#1000")
    field = page.get_by_label("Go to message")
    field.fill("abc")
    field.press("Enter")
    expect(field).to_be_focused()
    field.fill(typed)
    field.press("Enter")
    expect(page).to_have_url(re.compile(f"#{shown}$"))
    expect(row(page, shown)).to_be_in_viewport()


def test_address_changes_the_place(page: Page, long_session: str) -> None:
    page.goto(f"/?session={long_session}#42")
    expect(row(page, 42)).to_be_in_viewport()
    page.get_by_label("Go to message").fill("1500")
    page.keyboard.press("Enter")
    expect(row(page, 1500)).to_be_in_viewport()
    expect(page).to_have_url(re.compile("#1500$"))
    page.get_by_role("button", name="Go to the end").click()
    expect(row(page, COUNT)).to_be_in_viewport()
    expect(page.locator(".position")).to_have_count(0)
    page.go_back()
    expect(row(page, 42)).to_be_in_viewport()
    expect(page.get_by_label("Go to message")).to_have_value("42")


def test_scrolling_reaches_every_message_with_few_elements(page: Page, long_session: str) -> None:
    page.goto(f"/?session={long_session}#400")
    expect(row(page, 400)).to_be_in_viewport()
    seen: set[int] = set()
    last = 400
    for _ in range(200):
        page.evaluate("document.querySelector('.transcript').scrollBy(0, 600)")
        page.wait_for_function(
            "last => Number(document.querySelector('.position input')?.value) > last", arg=last, polling=10
        )
        visible = page.evaluate(
            "[...document.querySelectorAll('[data-sequence]')].map(row => Number(row.dataset.sequence))"
        )
        seen |= set(visible)
        assert visible == list(range(visible[0], visible[-1] + 1))
        assert nodes(page) < MAX_NODES
        last = int(page.get_by_label("Go to message").input_value())
        if last > 520:
            break
    assert seen >= set(range(400, 521))


def test_reader_keeps_position_while_messages_load_above(page: Page, long_session: str) -> None:
    page.goto(f"/?session={long_session}#1000")
    expect(row(page, 1_000)).to_be_in_viewport()
    # Chunk 49 has the message; 48 and 50 were loaded with it.
    held: list[Route] = []
    pattern = re.compile(r"/messages\?after_sequence=940&")
    # Playwright marks a handler, which it cannot do to a method.
    page.route(pattern, lambda route: held.append(route))  # noqa: PLW0108
    with page.expect_request(pattern):
        page.evaluate(SCROLL_TO_CHUNK, "48")
    shown = 961
    before = top(page, shown)
    held[0].continue_()
    expect(page.locator("section[data-chunk]").first).to_have_attribute("data-chunk", "47")
    assert abs(top(page, shown) - before) < 2


def test_reader_scrolls_while_messages_load_above(page: Page, long_session: str) -> None:
    page.goto(f"/?session={long_session}#1000")
    expect(row(page, 1_000)).to_be_in_viewport()
    page.evaluate(SCROLL_BEFORE_DRAWING)
    page.evaluate(SCROLL_TO_CHUNK, "48")
    expect(page.locator("section[data-chunk]").first).to_have_attribute("data-chunk", "47")
    assert abs(top(page, 961) + 300) < 2


def test_dragged_scroll_bar_shows_messages(page: Page, long_session: str) -> None:
    page.goto(f"/?session={long_session}")
    expect(row(page, COUNT)).to_be_in_viewport()
    page.evaluate("document.querySelector('.transcript').scrollTop = 0")
    expect(row(page, 1)).to_be_in_viewport()
    page.evaluate("(view => { view.scrollTop = view.scrollHeight / 2; })(document.querySelector('.transcript'))")
    page.wait_for_function("() => Math.abs(Number(document.querySelector('.position input').value) - 1000) < 150")
    assert nodes(page) < MAX_NODES


def test_markdown_is_shown(page: Page, new_session: Callable[..., str]) -> None:
    page.goto(f"/?session={new_session(CODE)}")
    message = row(page, 1)
    expect(message.locator("td").last).to_have_text("$x^2$")
    expect(message.locator("pre .hljs-string")).to_have_text("'once'")
    message.get_by_role("button", name="Copy", exact=True).click()
    expect(message.get_by_role("button", name="Copied")).to_be_visible()


@pytest.mark.parametrize("is_exported", [False, True], ids=["transcript", "HTML export"])
def test_paragraphs_begin_where_their_script_does(
    page: Page, client: httpx.Client, new_session: Callable[..., str], *, is_exported: bool
) -> None:
    session = new_session(ARABIC)
    if is_exported:
        page.set_content(client.get(f"/sessions/{session}/export", params={"format": "html"}).text)
    else:
        page.goto(f"/?session={session}")
    message = page.get_by_role("article")
    left, right = [True, False], [False, True]
    assert message.get_by_text("مرحبا").evaluate(SIDES) == right
    assert message.get_by_text("An English paragraph.").evaluate(SIDES) == left
    assert message.get_by_text("أولاً").evaluate(SIDES) == right
    assert message.get_by_text("اقتباس").evaluate(SIDES) == right
    assert message.get_by_text("دمج").evaluate(SIDES) == right
    assert message.locator("pre code").evaluate(SIDES) == left


def test_tools_and_reasoning_are_folded(page: Page, new_session: Callable[..., str]) -> None:
    parts = [
        {"type": "reasoning", "text": "Think first."},
        {"type": "tool_call", "call": "c1", "name": "weather", "input": '{"city":"Paris"}'},
        {"type": "tool_result", "call": "c1", "output": "x" * 30_000, "error": True},
        {"type": "file", "media": "text/plain", "url": "https://example.com/a.txt", "name": "a.txt"},
        {"type": "source", "url": "https://example.com/rain", "title": "Rain"},
        {"type": "data", "kind": "app.note", "value": {"a": 1}},
        {"type": "text", "text": "It *rains*."},
    ]
    page.goto(f"/?session={new_session({'role': 'assistant', 'parts': parts})}")
    message = row(page, 1)
    expect(message.locator("em")).to_have_text("rains")
    expect(message.locator(".fold-body")).to_have_count(0)
    call, result = message.locator(".fold.is-call"), message.locator(".fold.is-result")
    expect(result.locator("summary")).to_contain_text("weather")
    expect(result.locator("summary")).to_contain_text("failed")
    expect(result.locator("summary")).to_contain_text("30 kB")
    call.locator("summary").click()
    expect(call.locator("pre")).to_have_text(json.dumps({"city": "Paris"}, indent=2))
    result.locator("summary").click()
    expect(result.locator("pre")).to_have_text("x" * 12_000)
    result.get_by_role("button", name="Show all (30 kB)").click()
    expect(result.locator("pre")).to_have_text("x" * 30_000)
    expect(message.get_by_role("link", name="Rain")).to_have_attribute("rel", re.compile("noopener"))


def test_kept_files_are_shown(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    image = client.post("/files", content=PIXEL, headers={"Content-Type": "image/png"}).json()["url"]
    text = client.post("/files", content=b"Notes", headers={"Content-Type": "text/plain"}).json()["url"]
    parts = [
        {"type": "file", "media": "image/png", "url": image, "name": "pixel"},
        {"type": "file", "media": "text/plain", "url": text, "name": "notes.txt"},
    ]
    page.goto(f"/?session={new_session({'parts': parts})}")
    page.wait_for_function("() => document.querySelector('.attachment img')?.naturalWidth === 1")
    with page.expect_download() as download:
        page.get_by_role("button", name="notes.txt").click()
    assert (download.value.suggested_filename, download.value.path().read_text()) == ("notes.txt", "Notes")


def test_unknown_session_is_reported(page: Page) -> None:
    page.goto("/?session=00000000-0000-7000-8000-000000000000")
    expect(page.get_by_role("alert")).to_contain_text("not found")


def test_result_has_the_name_of_its_tool_and_is_not_the_user_s(page: Page, new_session: Callable[..., str]) -> None:
    called = [
        {"role": "assistant", "parts": [{"type": "tool_call", "call": "c1", "name": name, "input": "{}"}]}
        for name in ("Read", "Write")
    ]
    result = [{"type": "tool_result", "call": "c1", "output": "one"}, {"type": "text", "text": "two", "call": "c1"}]
    results = {"role": "user", "parts": result}
    answer = {"role": "user", "parts": [*result, {"type": "text", "text": "Go on."}]}
    unknown = {"role": "tool", "parts": [{"type": "tool_result", "call": "c9", "output": "one"}]}
    # A result is in the next chunk, and an id names a new call.
    page.goto(f"/?session={new_session(*['Hello'] * 19, called[0], results, called[1], answer, unknown)}")
    for sequence, role, name in ((21, "Tool", "Read"), (23, "User", "Write"), (24, "Tool", "c9")):
        expect(row(page, sequence).locator(".role")).to_have_text(role)
        expect(row(page, sequence).locator(".is-result .fold-name")).to_have_text(name)
    expect(row(page, 21)).to_have_attribute("aria-label", "Tool, 21")
