"""The list of sessions: links, filters in the address, the keyboard, search while typing."""

import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

from conftest import sqlite_daemon

daemon = sqlite_daemon


@pytest.fixture(scope="module")
def named(new_session: Callable[..., str]) -> dict[str, str]:
    """Two sessions, by name."""
    return {
        "Orchard plan": new_session("Where do the apples grow?", name="Orchard plan"),
        "Harbour plan": new_session("Ships need quinces.", name="Harbour plan"),
    }


def test_row_is_a_link_to_its_session(page: Page, named: dict[str, str]) -> None:
    page.goto("/?name=plan")
    row = page.get_by_role("link", name="Orchard plan")
    expect(row).to_have_attribute("href", f"?session={named['Orchard plan']}")
    row.click()
    expect(page.get_by_role("heading", name="Orchard plan")).to_be_visible()
    expect(page).to_have_title("Orchard plan · amplifierd")
    page.go_back()
    expect(row).to_be_visible()


def test_filters_are_in_the_address(page: Page, client: httpx.Client, named: dict[str, str]) -> None:
    client.post(f"/sessions/{named['Orchard plan']}/complete").raise_for_status()
    page.goto("/?name=plan")
    expect(page.locator(".list li")).to_have_count(2)
    page.get_by_label("Status", exact=True).select_option("completed")
    expect(page.locator(".list li")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"\?name=plan&status=completed$"))
    page.reload()
    expect(page.locator(".list li")).to_have_count(1)
    page.get_by_role("searchbox", name="Name").fill("harb")
    expect(page.get_by_text("No session matches these filters.")).to_be_visible()


def test_row_summarizes_its_session(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    message = {"role": "assistant", "content": "The river rises."}
    session = new_session("Why?", message, name="Marked", labels={"team": "maps"}, pinned=True)
    page.goto("/?name=marked")
    row = page.get_by_role("link", name="Marked")
    for text in ("Assistant The river rises.", "team: maps", "Pinned", "Active"):
        expect(row).to_contain_text(text)
    client.post(f"/sessions/{session}/messages", json={"content": "It falls."}).raise_for_status()
    expect(row).to_contain_text("User It falls.")


def test_lists_by_label_and_marks(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    new_session(name="Sorted plain")
    new_session(name="Sorted pinned", labels={"team": "maps"}, pinned=True)
    archived = new_session(name="Sorted away", labels={"team": "tides"}, archived=True)
    names = page.locator(".list .name")
    page.goto("/?name=sorted&sort=name")
    expect(names).to_have_text(["Sorted pinned", "Sorted plain"])
    page.get_by_label("Pinned", exact=True).select_option("Pinned")
    expect(names).to_have_text(["Sorted pinned"])
    expect(page).to_have_url(re.compile("pinned=true"))
    page.goto("/?name=sorted&sort=name&archived=any")
    expect(names).to_have_text(["Sorted away", "Sorted pinned", "Sorted plain"])
    page.get_by_role("searchbox", name="Label").fill("team")
    expect(names).to_have_text(["Sorted away", "Sorted pinned"])
    page.get_by_role("searchbox", name="Label").fill("team:tides")
    expect(names).to_have_text(["Sorted away"])
    expect(page).to_have_url(re.compile("label=team%3Atides"))
    page.get_by_label("Archived", exact=True).select_option("Not archived")
    expect(page.get_by_text("No session matches these filters.")).to_be_visible()
    client.patch(f"/sessions/{archived}", json={"archived": False}).raise_for_status()
    expect(names).to_have_text(["Sorted away"])


def test_refused_filter_is_reported(page: Page) -> None:
    page.goto("/?label=a%3A%00")
    expect(page.get_by_role("alert")).to_contain_text("label")


def test_new_session_appears(page: Page, new_session: Callable[..., str]) -> None:
    page.goto("/?name=arrives")
    expect(page.get_by_text("No session matches these filters.")).to_be_visible()
    new_session(name="It arrives")
    expect(page.get_by_role("link", name="It arrives")).to_be_visible()


def test_long_list_continues(page: Page, new_session: Callable[..., str]) -> None:
    for number in range(60):
        new_session(name=f"Numbered {number}")
    page.goto("/?name=numbered")
    expect(page.locator(".list li")).to_have_count(50)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".list li")).to_have_count(60)


@pytest.mark.usefixtures("named")
def test_keyboard_walks_the_list(page: Page) -> None:
    page.goto("/?name=plan&sort=created_at")
    expect(page.locator(".list li").first).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    focused = page.locator("[data-item]:focus")
    expect(focused).to_have_count(1)
    name = focused.locator(".name").inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("next and previous")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_search_finds_while_typing(page: Page, named: dict[str, str]) -> None:
    page.goto("/")
    expect(page.locator(".list li").first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("quinces", delay=5)
    expect(page).to_have_url(re.compile(r"\?view=search&q=quinces$"))
    hit = page.locator("[data-item]")
    expect(hit.locator("mark").first).to_have_text("quinces")
    expect(page.get_by_role("heading", name="Harbour plan").first).to_be_visible()
    expect(hit.first).to_have_attribute("href", re.compile(r"#1$"))
    page.get_by_role("heading", name="Harbour plan").first.get_by_role("link").click()
    expect(page).to_have_url(re.compile(f"session={named['Harbour plan']}|session="))


def test_search_reads_the_names_of_all_sessions_at_once(page: Page, named: dict[str, str]) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto("/?view=search&q=apples OR quinces")
    for name in named:
        expect(page.get_by_role("heading", name=name).first).to_be_visible()
    assert len([url for url in requests if "/api/v1/sessions" in url]) == 1


def test_search_for_a_mistyped_word_suggests_another(page: Page, named: dict[str, str]) -> None:
    assert named
    page.goto("/?view=search&q=quincse -rye")
    expect(page.get_by_text("Did you mean:")).to_be_visible()
    page.get_by_role("link", name="quinces -rye").click()
    expect(page).to_have_url(re.compile(r"q=quinces"))
    expect(page.locator("[data-item] mark").first).to_have_text("quinces")


def test_search_without_results_is_reported(page: Page, named: dict[str, str]) -> None:
    assert named
    page.goto("/?view=search&q=zzzzzzzz")
    with page.expect_response(lambda response: "/search/suggestions" in response.url):
        expect(page.get_by_text("No message has all of these words.")).to_be_visible()
    expect(page.locator("main")).to_have_text(re.compile(r"all of these words\.$"))


def test_created_session_opens(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name="New session").click()
    page.get_by_label("Name", exact=True).last.fill("Made here")
    page.get_by_role("dialog").get_by_role("button", name="New session").click()
    expect(page.get_by_role("heading", name="Made here")).to_be_visible()
