"""A server with keys: the page asks for one, keeps it for the tab, and shows a reader no controls."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from daemon import Daemon
from keys import create_key
from programs.browser import Watch


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon whose database has keys."""
    database = f"sqlite:///{tmp_path_factory.mktemp('keys') / 'a.db'}"
    create_key(database)
    with Daemon(database) as running:
        yield running


@pytest.fixture(scope="module")
def session(daemon: Daemon) -> str:
    """A session that can only be read with a key."""
    with daemon.client() as client:
        client.headers["Authorization"] = f"Bearer {create_key(daemon.database, '--scope', 'write')}"
        created: str = client.post("/sessions", json={"name": "Behind a lock"}).json()["id"]
        client.post(f"/sessions/{created}/messages", json={"content": "Quinces"}).raise_for_status()
    return created


def enter_key(page: Page, key: str) -> None:
    """Enter a key when the page asks for one."""
    dialog = page.get_by_role("dialog", name="This server needs a key")
    dialog.get_by_label("Key").fill(key)
    dialog.get_by_role("button", name="Open").click()


def test_key_is_asked_for_and_kept_for_the_tab(page: Page, daemon: Daemon, session: str) -> None:
    page.goto(f"/?session={session}")
    enter_key(page, "amp_wrong")
    expect(page.get_by_role("dialog")).to_contain_text("unknown")
    enter_key(page, create_key(daemon.database, "--scope", "write"))
    expect(page.get_by_text("Quinces")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Quinces")).to_be_visible()
    # A stream needs a key as well.
    field = page.get_by_role("textbox", name="Message")
    field.fill("And medlars")
    field.press("Control+Enter")
    expect(page.locator("[data-sequence]", has_text="And medlars")).to_be_visible()
    assert page.evaluate("localStorage.length") == 0
    other = page.context.new_page()
    other.goto("/")
    expect(other.get_by_role("dialog", name="This server needs a key")).to_be_visible()
    page.get_by_role("button", name="Forget the key").click()
    expect(page.get_by_role("dialog", name="This server needs a key")).to_be_visible()


def test_reader_sees_no_controls(page: Page, daemon: Daemon, session: str) -> None:
    page.goto(f"/?session={session}")
    enter_key(page, create_key(daemon.database, "--scope", "read"))
    expect(page.get_by_text("Quinces")).to_be_visible()
    expect(page.get_by_text("Read only")).to_be_visible()
    page.locator(".message").first.hover()
    for name in ("Rename", "Labels", "Pin", "Archive", "Complete", "Delete", "Send", "Edit", "Fork from here"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    for view, name in (("", "New session"), ("profiles", "New profile"), ("directories", "New directory")):
        page.goto(f"/?view={view}")
        expect(page.locator("h1")).to_be_visible()
        expect(page.get_by_role("button", name=name)).to_have_count(0)


def test_key_is_in_no_address(browser: Browser, daemon: Daemon, session: str, tmp_path: Path) -> None:
    key = create_key(daemon.database, "--scope", "read")
    page = browser.new_page(base_url=f"{daemon.url}/")
    watch = Watch(page, daemon)
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    page.goto(f"/?session={session}")
    enter_key(page, key)
    expect(page.get_by_text("Quinces")).to_be_visible()
    page.close()
    assert [address for address in urls if key in address] == watch.faults == []
    assert tmp_path.exists()
