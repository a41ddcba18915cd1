"""What a person reads and saves in the page is what is stored: line breaks, numbers, formulas, parts of others."""

import json
from collections.abc import Callable

import httpx
from playwright.sync_api import Locator, Page, Route, expect

from conftest import sqlite_daemon

daemon = sqlite_daemon

# A parser of JavaScript would change each of these: the digits, the order of the keys, the form of a number.
VALUE = '{"id":9007199254740993,"2":1.0,"1":[1e2,"\\u00e9"]}'
FORMULA = r"By \(a*b\) and \[c_1*d_2*e\], then $$x\\y*z*$$."


def row(page: Page, sequence: int = 1) -> Locator:
    return page.locator(f"[data-sequence='{sequence}']")


def edit(page: Page) -> Locator:
    """Open the dialog that edits the first message."""
    row(page).hover()
    row(page).get_by_role("button", name="Edit", exact=True).click()
    return page.get_by_role("dialog")


def test_edit_keeps_the_bytes_of_what_was_not_edited(
    page: Page, client: httpx.Client, new_session: Callable[..., str]
) -> None:
    session = new_session()
    parts = [
        '{"type":"text","text":"a\\r\\nb\\rc","native":{"x":1.50}}',
        f'{{"type":"data","kind":"app.note","value":{VALUE}}}',
        '{"type":"text","native":{"text":"inner","n":0.10},"text":"two"}',
    ]
    body = f'{{"role":"assistant","parts":[{",".join(parts)}]}}'
    headers = {"Content-Type": "application/json"}
    client.post(f"/sessions/{session}/messages", content=body, headers=headers).raise_for_status()
    page.goto(f"/?session={session}")
    dialog = edit(page)
    dialog.get_by_label("Text 2").fill('say "2"')
    dialog.get_by_role("button", name="Save").click()
    expect(row(page)).to_contain_text('say "2"')
    stored = client.get(f"/sessions/{session}/messages/1").text
    assert f'"parts":[{parts[0]},{parts[1]},' in stored
    assert '{"type":"text","native":{"text":"inner","n":0.10},"text":"say \\"2\\""}]' in stored


def test_edit_keeps_line_breaks_of_windows(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    session = new_session("one\r\ntwo\r\n")
    page.goto(f"/?session={session}")
    dialog = edit(page)
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    assert "editedAt" not in client.get(f"/sessions/{session}/messages/1").json()
    edit(page).get_by_label("Text").fill("one\nthree\n")
    dialog.get_by_role("button", name="Save").click()
    expect(row(page)).to_contain_text("three")
    assert client.get(f"/sessions/{session}/messages/1").json()["content"] == "one\r\nthree\r\n"


def test_edit_beside_another_client_is_a_conflict(
    page: Page, client: httpx.Client, new_session: Callable[..., str]
) -> None:
    session = new_session("Before")
    page.goto(f"/?session={session}")
    dialog = edit(page)
    client.patch(f"/sessions/{session}/messages/1", json={"content": "Of somebody else"}).raise_for_status()
    # The page shows the other version, but the dialog was opened before.
    expect(row(page)).to_contain_text("Of somebody else")
    dialog.get_by_label("Text").fill("Mine")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("has changed in the meantime")
    assert client.get(f"/sessions/{session}/messages/1").json()["content"] == "Of somebody else"
    dialog.get_by_role("button", name="Save").click()
    expect(row(page)).to_contain_text("Mine")


def test_name_beside_another_client_s_is_a_conflict(
    page: Page, client: httpx.Client, new_session: Callable[..., str]
) -> None:
    session = new_session("Hello", name="Before")
    page.goto(f"/?session={session}")
    page.get_by_role("button", name="Rename").click()
    dialog = page.get_by_role("dialog")
    client.patch(f"/sessions/{session}", json={"name": "Of somebody else"}).raise_for_status()
    expect(page.get_by_role("heading", name="Of somebody else", include_hidden=True)).to_have_count(1)
    dialog.get_by_label("Name").fill("Mine")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("has changed in the meantime")
    assert client.get(f"/sessions/{session}").json()["name"] == "Of somebody else"
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Mine")).to_be_visible()


def test_new_message_is_no_conflict_for_a_name(
    page: Page, client: httpx.Client, new_session: Callable[..., str]
) -> None:
    session = new_session("Hello", name="Before")
    page.goto(f"/?session={session}")
    page.get_by_role("button", name="Rename").click()
    client.post(f"/sessions/{session}/messages", json={"content": "Another"}).raise_for_status()
    expect(page.locator(".session-header")).to_contain_text("2 messages")
    page.get_by_role("dialog").get_by_label("Name").fill("Mine")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Mine")).to_be_visible()


def test_lists_tables_and_formulas_are_shown_as_written(page: Page, new_session: Callable[..., str]) -> None:
    text = f"5. five\n\n| n |\n|--:|\n| 1 |\n\n{FORMULA}\n\nNo formula: \\( and $$ alone."
    session = new_session({"role": "assistant", "content": text})
    page.goto(f"/?session={session}")
    assert row(page).locator("ol").get_attribute("start") == "5"
    assert row(page).locator("td").get_attribute("align") == "right"
    expect(row(page)).to_contain_text(FORMULA)
    expect(row(page)).to_contain_text("No formula: ( and $$ alone.")


def test_line_breaks_of_a_person_are_kept(page: Page, new_session: Callable[..., str]) -> None:
    session = new_session("line 1\nline 2", {"role": "assistant", "content": "line 1\nline 2"})
    page.goto(f"/?session={session}")
    expect(row(page, 1).locator("br")).to_have_count(1)
    expect(row(page, 2).locator("p")).to_have_count(1)
    expect(row(page, 2).locator("br")).to_have_count(0)


def test_input_of_a_tool_is_indented_and_keeps_its_numbers(page: Page, new_session: Callable[..., str]) -> None:
    deep = "[" * 200 + "]" * 200
    calls = [
        {
            "type": "tool_call",
            "call": "a",
            "name": "spread",
            "input": '{"n":12345678901234567890,"l":[1.0,{}],"e":[ ]}',
        },
        {"type": "tool_call", "call": "b", "name": "deep", "input": deep},
        {"type": "tool_call", "call": "c", "name": "broken", "input": '{"n": 1'},
    ]
    session = new_session({"role": "assistant", "parts": calls})
    page.goto(f"/?session={session}")
    shown = '{\n  "n": 12345678901234567890,\n  "l": [\n    1.0,\n    {}\n  ],\n  "e": []\n}'
    for call, text in zip(calls, [shown, deep, '{"n": 1'], strict=True):
        page.get_by_text(call["name"], exact=True).click()
        assert row(page).locator("details", has_text=call["name"]).locator("pre").text_content() == text
    assert json.loads(shown) == json.loads(calls[0]["input"])


def test_long_answer_and_large_table_are_rendered(page: Page, new_session: Callable[..., str]) -> None:
    answer = "".join(f"## Part {number}\n\nSome **words**.\n\n" * 20 for number in range(25))
    table = (
        "| a | b | c | d | e | f | g | h |\n|---|---|---|---|---|---|---|---|\n"
        + "| 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 |\n" * 75
    )
    session = new_session({"role": "assistant", "content": answer}, {"role": "assistant", "content": table})
    page.goto(f"/?session={session}")
    expect(row(page, 2).locator("td")).to_have_count(600)
    row(page, 1).get_by_role("button", name="Show all").click()
    expect(row(page, 1).locator("strong")).to_have_count(500)


def test_message_whose_response_is_lost_is_appended_once(
    page: Page, client: httpx.Client, new_session: Callable[..., str]
) -> None:
    session = new_session("Hello")
    page.goto(f"/?session={session}")
    field = page.get_by_role("textbox", name="Message", exact=True)

    def lose(route: Route) -> None:
        if route.request.method == "POST":
            route.fetch()
            route.abort()
        else:
            route.fallback()

    page.route("**/messages", lose)
    field.fill("Only once")
    page.get_by_role("button", name="Send").click()
    # The live stream shows it.
    expect(row(page, 2)).to_contain_text("Only once")
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    page.unroute("**/messages")
    page.get_by_role("button", name="Send").click()
    expect(field).to_have_value("")
    assert len(client.get(f"/sessions/{session}/messages").json()["messages"]) == 2


def test_transcript_is_read_again_after_a_refusal(page: Page, new_session: Callable[..., str]) -> None:
    session = new_session("Hello")
    page.route("**/messages?**", lambda route: route.fulfill(status=503, json={"detail": "Too much to do."}))
    page.goto(f"/?session={session}")
    expect(page.get_by_role("alert")).to_contain_text("Too much to do.")
    page.unroute("**/messages?**")
    expect(row(page)).to_contain_text("Hello")


def test_skip_link_keeps_the_place(page: Page, new_session: Callable[..., str]) -> None:
    session = new_session(*(f"Message {number}" for number in range(1, 200)))
    page.goto(f"/?session={session}#50")
    expect(row(page, 50)).to_be_in_viewport()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main :focus")).to_have_count(1)
    assert page.url.endswith("#50")
    expect(row(page, 50)).to_be_in_viewport()


def test_search_shows_more_than_its_first_messages(page: Page, new_session: Callable[..., str]) -> None:
    new_session(*(f"Place {number} has plankton" for number in range(60)))
    page.goto("/?view=search&q=plankton")
    count = page.locator("p.faint[role='status']")
    expect(count).to_have_text("The first 40 messages in 1 session")
    page.get_by_role("button", name="Show more").click()
    expect(count).to_have_text("60 messages in 1 session")
    expect(page.get_by_role("button", name="Show more")).to_have_count(0)


def test_low_window_shows_messages(page: Page, new_session: Callable[..., str]) -> None:
    labels = {f"label-{number}": "a value" for number in range(12)}
    session = new_session("Hello", name="A name of many words " * 9, labels=labels)
    page.set_viewport_size({"width": 683, "height": 384})
    page.goto(f"/?session={session}")
    expect(row(page)).to_be_in_viewport()
    box = page.locator(".transcript").bounding_box()
    assert box is not None
    assert box["height"] > 384 / 3


def test_files_in_messages_are_saved(page: Page, new_session: Callable[..., str]) -> None:
    session = new_session(
        {
            "role": "user",
            "parts": [
                {
                    "type": "file",
                    "media": "application/pdf",
                    "name": "a.pdf",
                    "url": "data:application/pdf;base64,JVBERi0=",
                },
                {"type": "file", "media": "text/plain", "name": "b.txt", "url": "data:text/plain,a%2Cb,%C3%A9"},
            ],
        }
    )
    page.goto(f"/?session={session}")
    for name, content in (("a.pdf", b"%PDF-"), ("b.txt", "a,b,é".encode())):
        with page.expect_download() as download:
            row(page).get_by_role("button", name=name).click()
        assert download.value.suggested_filename == name
        assert download.value.path().read_bytes() == content


def test_session_is_found_by_its_id(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    session = new_session("Hello", name="Wanted")
    client.patch(f"/sessions/{session}", json={"archived": True}).raise_for_status()
    page.goto("/")
    page.get_by_label("Name").fill(session.upper())
    expect(page.get_by_role("link", name="Wanted")).to_be_visible()
    page.get_by_label("Search messages").fill(session)
    page.get_by_role("link", name="Open the session with this id").click()
    expect(page.get_by_role("heading", name="Wanted")).to_be_visible()


def test_text_of_a_message_is_copied(page: Page, new_session: Callable[..., str]) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    texts = ["First **bold**.", "Second."]
    session = new_session({"role": "assistant", "parts": [{"type": "text", "text": text} for text in texts]})
    page.goto(f"/?session={session}")
    row(page).hover()
    row(page).get_by_role("button", name="Copy text").click()
    expect(row(page).get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "\n\n".join(texts)


def test_edit_of_a_message_with_other_parts_now_is_refused(
    page: Page, client: httpx.Client, new_session: Callable[..., str]
) -> None:
    first, second = {"type": "text", "text": "A"}, {"type": "text", "text": "B"}
    session = new_session({"role": "assistant", "parts": [first, second]})
    page.goto(f"/?session={session}")
    dialog = edit(page)
    others = [first, {"type": "reasoning", "text": "R"}, second]
    client.patch(f"/sessions/{session}/messages/1", json={"parts": others}).raise_for_status()
    dialog.get_by_label("Text 2").fill("B mine")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("has changed in the meantime")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("has other parts now")
    assert client.get(f"/sessions/{session}/messages/1").json()["parts"] == others


def test_draft_that_is_being_sent_is_not_sent_again(
    page: Page, client: httpx.Client, new_session: Callable[..., str]
) -> None:
    session = new_session("Hello", name="Slow")
    held: list[Route] = []
    page.route("**/messages", lambda route: held.append(route))  # noqa: PLW0108  # a method takes no attribute
    page.goto(f"/?session={session}")
    field = page.get_by_role("textbox", name="Message", exact=True)
    field.fill("Only once")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("link", name="Sessions").click()
    page.get_by_role("link", name="Slow").click()
    expect(field).to_have_value("Only once")
    held[0].continue_()
    page.unroute("**/messages")
    expect(row(page, 2)).to_contain_text("Only once")
    page.get_by_role("button", name="Send").click()
    expect(field).to_have_value("")
    assert len(client.get(f"/sessions/{session}/messages").json()["messages"]) == 2
