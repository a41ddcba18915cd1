"""Changes made in the page, and conflicts with other clients' changes."""

import json
import re
from collections.abc import Callable

import httpx
from playwright.sync_api import Page, expect

from conftest import sqlite_daemon

daemon = sqlite_daemon

EVENTS = re.compile("/api/v1/.*events")
# Not representable as a double.
LARGE = 2**53 + 1
# Changes of a directory's file that cannot be saved, and what the page says.
REFUSED: list[tuple[dict[str, object], str]] = [
    ({"c": None}, "“c” is null"),
    ({"kept": {"b": None, "n": None}}, "“b” is null"),
    ({"kept": {"n": None, "o": {"p": [1], "q": None}}}, "“q” is null"),
    ({"a": {"d": None}}, "“d” is null"),
    ({"default_profile": None}, "“default_profile” is null"),
    ({"list": [LARGE, 2]}, "“list” has a number beyond 9007199254740991"),
    ({"a": {"b": [{"c": -LARGE}]}}, "“c” has a number beyond 9007199254740991"),
]


def test_stale_change_is_shown_as_a_conflict(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    session = new_session("Hello", name="First name")
    # The page gets no events, as after a sleep of the machine.
    page.route(EVENTS, lambda route: route.abort())
    page.goto(f"/?session={session}")
    expect(page.get_by_text("Hello")).to_be_visible()
    page.get_by_role("button", name="Rename").click()
    client.patch(f"/sessions/{session}", json={"name": "Of somebody else"}).raise_for_status()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Mine")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("has changed in the meantime")
    expect(page.get_by_role("heading", name="Of somebody else")).to_be_visible()
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Mine")).to_be_visible()


def test_pin_archive_and_label(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    session = new_session("Hello", name="To sort", labels={"team": "maps", "old": "yes"})
    page.goto(f"/?session={session}")
    header = page.locator(".session-header")
    for name, back, sign in (("Pin", "Unpin", "Pinned"), ("Archive", "Unarchive", "Archived")):
        page.get_by_role("button", name=name, exact=True).click()
        expect(header.locator(".sign", has_text=sign)).to_be_visible()
        assert client.get(f"/sessions/{session}").json()[sign.lower()] is True
        page.get_by_role("button", name=back).click()
        expect(page.get_by_role("button", name=name, exact=True)).to_be_visible()
    page.get_by_role("button", name="Labels").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Labels").fill("nothing")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_have_text("“nothing” is not a label: write a key, a colon and a value.")
    dialog.get_by_label("Labels").fill("team: tides\nurl: http://a")
    dialog.get_by_role("button", name="Save").click()
    expect(header.locator(".label")).to_have_text(["team: tides", "url: http://a"])
    assert client.get(f"/sessions/{session}").json()["labels"] == {"team": "tides", "url": "http://a"}
    header.get_by_role("link", name="team: tides").click()
    expect(page.get_by_role("link", name="To sort")).to_be_visible()


def save_labels_beside_others(page: Page, client: httpx.Client, session: str, typed: str) -> dict[str, str]:
    """Type labels while another client changes `yours`, and save them twice. Returns the session's labels."""
    page.route(EVENTS, lambda route: route.abort())
    page.goto(f"/?session={session}")
    expect(page.get_by_text("Hello")).to_be_visible()
    page.get_by_role("button", name="Labels").click()
    client.patch(f"/sessions/{session}", json={"labels": {"yours": "2"}}).raise_for_status()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Labels").fill(typed)
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_have_text(re.compile("^The session has changed in the meantime"))
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    labels: dict[str, str] = client.get(f"/sessions/{session}").json()["labels"]
    return labels


def test_conflict_keeps_labels_of_others(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    session = new_session("Hello", labels={"mine": "1"})
    assert save_labels_beside_others(page, client, session, "new: 3") == {"yours": "2", "new": "3"}


def test_unchanged_labels_keep_their_values_of_others(
    page: Page, client: httpx.Client, new_session: Callable[..., str]
) -> None:
    session = new_session("Hello", labels={"mine": "1", "yours": "1"})
    labels = save_labels_beside_others(page, client, session, "mine: 3\nyours: 1")
    assert labels == {"mine": "3", "yours": "2"}


def test_stale_pin_is_shown_as_a_conflict(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    session = new_session("Hello")
    page.route(EVENTS, lambda route: route.abort())
    page.goto(f"/?session={session}")
    expect(page.get_by_text("Hello")).to_be_visible()
    client.patch(f"/sessions/{session}", json={"archived": True}).raise_for_status()
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("has changed in the meantime")
    expect(page.get_by_role("button", name="Unarchive")).to_be_visible()
    assert "pinned" not in client.get(f"/sessions/{session}").json()


def test_complete_and_resume(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    session = new_session("Hello")
    page.goto(f"/?session={session}")
    page.get_by_role("button", name="Complete").click()
    expect(page.locator(".composer")).to_contain_text("This session has ended")
    assert client.get(f"/sessions/{session}").json()["status"] == "completed"
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("textbox", name="Message")).to_be_visible()
    assert client.get(f"/sessions/{session}").json()["status"] == "active"


def test_focus_returns_when_a_dialog_ends(page: Page, new_session: Callable[..., str]) -> None:
    page.goto(f"/?session={new_session('Hello', name='Before')}")
    rename, dialog = page.get_by_role("button", name="Rename"), page.get_by_role("dialog")
    for end in ("Cancel", "Save"):
        rename.click()
        dialog.get_by_role("button", name=end).click()
        expect(dialog).to_have_count(0)
        expect(rename).to_be_focused()


def test_draft_is_kept_while_the_page_is_open(page: Page, new_session: Callable[..., str]) -> None:
    session = new_session("A word: kept-draft")
    page.goto(f"/?session={session}")
    field = page.get_by_role("textbox", name="Message", exact=True)
    field.fill("Not sent yet")
    page.get_by_label("Search messages").fill("kept-draft")
    page.get_by_role("link", name="kept-draft").click()
    expect(field).to_have_value("Not sent yet")
    field.press("Control+Enter")
    expect(page.locator("[data-sequence='2']")).to_contain_text("Not sent yet")
    expect(field).to_have_value("")


def test_delete_needs_confirmation(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    session = new_session("Hello", "Goodbye", name="To go")
    page.goto(f"/?session={session}")
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The session and its 2 messages are permanently deleted")
    dialog.get_by_role("button", name="Cancel").click()
    assert client.get(f"/sessions/{session}").status_code == 200
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
    assert client.get(f"/sessions/{session}").status_code == 404


def test_append_and_conflict(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    session = new_session("Hello")
    page.route(EVENTS, lambda route: route.abort())
    page.goto(f"/?session={session}")
    field = page.get_by_role("textbox", name="Message")
    expect(page.get_by_text("Hello")).to_be_visible()
    client.post(f"/sessions/{session}/messages", json={"content": "First!"}).raise_for_status()
    field.fill("Mine")
    field.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("Somebody else appended")
    expect(field).to_have_value("Mine")
    page.reload()
    expect(page.get_by_text("First!")).to_be_visible()
    field.fill("Mine")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("[data-sequence='3']")).to_contain_text("Mine")
    expect(field).to_have_value("")
    assert [message["content"] for message in client.get(f"/sessions/{session}/messages").json()["messages"]] == [
        "Hello",
        "First!",
        "Mine",
    ]


def test_exports_in_each_form(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    file = client.post("/files", content=b"Tides", headers={"Content-Type": "text/plain"}).json()["url"]
    parts = [{"type": "text", "text": "Hello *there*"}, {"type": "file", "media": "text/plain", "url": file}]
    session = new_session({"parts": parts}, name="Notes")
    page.goto(f"/?session={session}")
    saved = {}
    formats = {"Web page": "html", "OpenAI messages": "openai", "Anthropic messages": "anthropic"}
    for choice in ("Transcript", "Session NDJSON", "Session with files", *formats):
        page.get_by_role("button", name="Export").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("radio", name=choice).check()
        with page.expect_download() as download:
            dialog.get_by_role("button", name="Export").click()
        expect(dialog).to_have_count(0)
        saved[choice] = (download.value.suggested_filename, download.value.path().read_text())
    assert saved["Transcript"][0] == "Notes.md"
    assert "Hello *there*" in saved["Transcript"][1]
    assert saved["Session NDJSON"] == ("Notes.ndjson", client.get(f"/sessions/{session}/export").text)
    for choice, name in formats.items():
        exported = client.get(f"/sessions/{session}/export", params={"format": name})
        assert saved[choice] == (f"Notes.{'html' if name == 'html' else 'json'}", exported.text)
    assert len(saved["Session with files"][1].splitlines()) > len(saved["Session NDJSON"][1].splitlines())


def test_fork_and_compare(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    session = new_session("One", "Two", "Three is here", name="Trunk")
    page.goto(f"/?session={session}")
    message = page.locator("[data-sequence='2']")
    message.hover()
    message.get_by_role("button", name="Fork from here").click()
    expect(page.locator(".session-header")).to_contain_text("2 messages")
    branch = page.url.partition("session=")[2]
    client.post(f"/sessions/{branch}/messages", json={"content": "Three was there"}).raise_for_status()
    client.patch(f"/sessions/{branch}", json={"name": "Twig"}).raise_for_status()
    leaf = client.post(f"/sessions/{branch}/fork", json={"name": "Leaf"}).json()["id"]
    page.goto(f"/?session={branch}")
    page.get_by_role("button", name="Branches").click()
    tree = page.get_by_role("region", name="Branches")
    expect(tree.locator("a:not(.compare)")).to_have_text(["Trunk", "Leaf"])
    expect(tree).to_contain_text("this session")
    tree.get_by_role("link", name="Compare").first.click()
    expect(page.get_by_role("heading", name="Two branches")).to_be_visible()
    expect(page.get_by_text("They share their first 2 messages.")).to_be_visible()
    expect(page.locator(".pair mark")).to_have_text(["was", "there", "is", "here"])
    page.goto(f"/?view=compare&a={session}&b={leaf}")
    expect(page.get_by_text("They share their first 2 messages.")).to_be_visible()


def test_profile_is_made_from_a_file(page: Page, client: httpx.Client) -> None:
    page.goto("/?view=profiles")
    page.get_by_role("button", name="New profile").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Profile as a file").fill("no profile")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    dialog.get_by_label("Profile as a file").fill(
        "---\nprofile: {name: page/brief, version: 1.0.0, schema_version: 2}\n---\n\nBe brief.\n"
    )
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="page/brief")).to_be_visible()
    expect(page.locator("pre")).to_contain_text("Be brief.")
    page.get_by_role("button", name="Edit").click()
    file = dialog.get_by_label("Profile as a file").input_value()
    dialog.get_by_label("Profile as a file").fill(file.replace("1.0.0", "2.0.0").replace("Be brief.", "Be long."))
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator("pre")).to_contain_text("Be long.")
    assert client.get("/profiles/page/brief").json()["version"] == "2.0.0"
    page.get_by_role("button", name="Make active").click()
    expect(page.locator("h1")).to_contain_text("active")
    client.delete("/profiles/active").raise_for_status()
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Profiles")).to_be_visible()
    assert client.get("/profiles/page/brief").status_code == 404


def test_directory_is_made_and_edited_as_its_file(page: Page, client: httpx.Client) -> None:
    page.goto("/?view=directories")
    page.get_by_role("button", name="New directory").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Path").fill("projects/page")
    file = dialog.get_by_label("Directory as a file")
    file.fill("[]")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("not a JSON object")
    file.fill('{"default_profile": "default", "team": {"name": "maps", "size": 3}, "none": [null], "__proto__": 1}')
    dialog.get_by_role("button", name="Save").click()
    row = page.locator("li", has_text="projects/page")
    expect(row).to_contain_text("default")
    metadata = {"team": {"name": "maps", "size": 3}, "none": [None], "__proto__": 1}
    assert directory_of(client) == (metadata, "default")

    row.get_by_role("button", name="Edit").click()
    text = file.input_value()
    assert json.loads(text) == {"default_profile": "default", **metadata}
    # The file on disk also has the time when it was written.
    edited = {"amplifierd": {}, "team": {"name": "maps"}, "none": [None], "__proto__": {"a": 1}}
    file.fill(json.dumps(edited))
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).not_to_be_visible()
    assert directory_of(client) == ({"team": {"name": "maps"}, "none": [None], "__proto__": {"a": 1}}, None)


def test_directory_file_is_refused_if_it_would_be_changed(page: Page, client: httpx.Client) -> None:
    path = "projects/exact"
    metadata = {"a": 1, "list": [LARGE, 1], "large": LARGE, "kept": {"n": None}, "none": None}
    client.post(
        "/amplified-directories", json={"relative_path": path, "create_marker": True, "metadata": metadata}
    ).raise_for_status()
    page.goto("/?view=directories")
    page.locator("li", has_text=path).get_by_role("button", name="Edit").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("cannot be changed to null")
    file = dialog.get_by_label("Directory as a file")
    for edited, words in REFUSED:
        file.fill(json.dumps(metadata | edited))
        dialog.get_by_role("button", name="Save").click()
        expect(dialog.get_by_role("alert")).to_contain_text(words)
        assert directory_of(client, path)[0] == metadata
    # Unchanged values may be any of these.
    file.fill(json.dumps(metadata | {"a": [None, {"b": None}]}))
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).not_to_be_visible()
    assert directory_of(client, path)[0] == metadata | {"a": [None, {"b": None}]}


def test_directory_with_a_number_that_would_be_rounded_is_refused(page: Page, client: httpx.Client) -> None:
    page.goto("/?view=directories")
    page.get_by_role("button", name="New directory").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Path").fill("projects/rounded")
    dialog.get_by_label("Directory as a file").fill('{"a": null, "b": {"c": [1e400]}}')
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("“c” has a number beyond")
    assert client.get("/amplified-directories/projects/rounded").status_code == 404


def directory_of(client: httpx.Client, path: str = "projects/page") -> tuple[object, str | None]:
    """The metadata and the profile of the new directory."""
    directory = client.get(f"/amplified-directories/{path}").json()
    own = directory.get("defaultProfileFrom") == path
    return directory["metadata"], directory["defaultProfile"] if own else None


def test_status_is_shown(page: Page) -> None:
    page.goto("/?view=status")
    expect(page.locator(".facts")).to_contain_text("Healthy")
    expect(page.locator(".facts")).to_contain_text("SQLite")


def test_directories_of_all_pages_are_listed(page: Page, client: httpx.Client) -> None:
    names = [f"large/{number:02}" for number in range(20)]
    for name in names:
        new = {"relative_path": name, "create_marker": False, "metadata": {"text": "x" * 250_000}}
        client.post("/amplified-directories", json=new).raise_for_status()
    assert "next" in client.get("/amplified-directories", params={"limit": 1000}).links
    page.goto("/?view=directories")
    expect(page.locator(".path", has_text="large/")).to_have_text(names)


def test_search_shows_hits_without_names_if_those_cannot_be_read(page: Page, new_session: Callable[..., str]) -> None:
    new_session("A damson tree.", name="Orchard")
    page.route(re.compile("/api/v1/sessions[?]ids="), lambda route: route.abort())
    page.goto("/?view=search&q=damson")
    expect(page.locator("[data-item] mark").first).to_have_text("damson")
