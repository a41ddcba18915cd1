"""Every view, in both themes, passes the rules of axe-core."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from conftest import sqlite_daemon
from daemon import Daemon, http_post
from programs.browser import violations

daemon = sqlite_daemon

MARKDOWN = (
    "# A\n\n```python\nx = 'a'  # b\n```\n\n> c\n\n| a | b |\n|---|---|\n| 1 | [d](https://example.com) |\n\n- [x] e\n"
)
PARTS = [
    {"type": "reasoning", "text": "Think."},
    {"type": "tool_call", "call": "c1", "name": "weather", "input": "{}"},
    {"type": "tool_result", "call": "c1", "output": "Rain", "error": True},
    {"type": "source", "url": "https://example.com/rain", "title": "Rain"},
    {"type": "text", "text": MARKDOWN},
]


@pytest.fixture(scope="module")
def views(daemon: Daemon, new_session: Callable[..., str]) -> dict[str, str]:
    """The address of each view, by name."""
    http_post(f"{daemon.api}/amplified-directories", json={"relative_path": "a/b", "create_marker": False})
    session = new_session(
        "Quinces?",
        {"role": "assistant", "parts": PARTS, "model": "m", "token_count": 3},
        name="Talk",
        amplified_dir="a/b",
        labels={"team": "maps"},
        pinned=True,
    )
    new_session()
    return {
        "sessions": "/",
        "none": "/?name=nothing-has-this-name",
        "session": f"/?session={session}",
        "target": f"/?session={session}#1",
        "search": "/?view=search&q=quinces",
        "compare": f"/?view=compare&a={session}&b={session}",
        "profiles": "/?view=profiles",
        "profile": "/?view=profile&name=default",
        "collections": "/?view=collections",
        "modules": "/?view=modules",
        "plan": f"/?view=plan&session={session}",
        "directories": "/?view=directories",
        "status": "/?view=status",
    }


def test_views_have_no_violations(page: Page, views: dict[str, str]) -> None:
    found = {}
    for name, address in views.items():
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 1400, "height": 900})
        page.goto(address)
        expect(page.locator("main").locator("h1").first).to_be_visible()
        page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
        found[name, "light"] = violations(page)
        page.emulate_media(color_scheme="dark")
        # The dark theme does not change anything else.
        found[name, "dark"] = violations(page, "color-contrast")
        page.set_viewport_size({"width": 390, "height": 844})
        found[name, "narrow"] = violations(page, "color-contrast", "target-size", "scrollable-region-focusable")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"
    assert {view: faults for view, faults in found.items() if faults} == {}


def test_dialogs_have_no_violations(page: Page, views: dict[str, str]) -> None:
    page.goto(views["session"])
    page.get_by_role("button", name="Branches").click()
    expect(page.get_by_role("region", name="Branches")).to_be_visible()
    assert violations(page) == []
    for button in ("Export", "Rename", "Labels", "Delete"):
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert violations(page) == []
        page.keyboard.press("Escape")


def test_chosen_theme_is_kept(page: Page, views: dict[str, str]) -> None:
    page.goto(views["status"])
    page.get_by_label("Theme").select_option("dark")
    page.reload()
    expect(page.get_by_label("Theme")).to_have_value("dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 28)"
    assert page.context.cookies() == []
