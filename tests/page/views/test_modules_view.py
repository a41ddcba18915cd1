"""Modules and mount plans in the page."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from daemon import Daemon, http_post
from programs.browser import assert_accessible
from samples.collection_folders import daemon_with_collection, profile

HOSTILE = "<img src=x onerror=ran()>"
SCHEMA = {"type": "object", "properties": {"timeout": {"type": "integer", "title": HOSTILE}}}
NAMES = """
session:
  orchestrator: {module: loop-basic}
tools:
- {module: kitchen/tool/oven, config: {timeout: 9}}
agents: {calm: agents/calm.md}
context: {long: context/long.md}
"""
FILES = {
    "chef.md": profile("chef", more=NAMES),
    "agents/calm.md": f"Be calm. {HOSTILE}",
    "context/long.md": f"Once {'more ' * 5_000}the end",
    "tools/oven/module.yaml": f"name: tool-oven\nversion: 2.1.0\ndescription: '{HOSTILE}'\n"
    f"config_schema: {json.dumps(SCHEMA)}\n",
    "hooks/bell/module.yaml": "name: hooks-bell\n",
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with a collection that has modules."""
    with daemon_with_collection(tmp_path_factory.mktemp("modules"), "kitchen", FILES) as running:
        body = {"scope": "project", "source": "git+https://example.com/oven"}
        http_post(f"{running.api}/modules/kitchen/tool/oven/sources", json=body).raise_for_status()
        yield running


@pytest.fixture(scope="module")
def session(daemon: Daemon) -> str:
    """The id of a session with the collection's profile."""
    created = http_post(f"{daemon.api}/sessions", json={"profile": "kitchen/chef"})
    created.raise_for_status()
    return str(created.json()["id"])


@pytest.fixture(autouse=True)
def nothing_runs(page: Page) -> Iterator[None]:
    """Check that names and texts of a collection stay text."""
    page.add_init_script("window.ran = () => { window.hasRun = true; };")
    yield
    assert page.evaluate("window.hasRun") is None


def test_modules_are_listed_by_type(page: Page) -> None:
    page.goto("/")
    page.get_by_role("navigation").get_by_role("link", name="Modules").click()
    expect(page.get_by_role("link", name="kitchen/hook/bell")).to_be_visible()
    page.get_by_label("Type").select_option("Tools")
    expect(page.get_by_role("link", name="kitchen/hook/bell")).to_have_count(0)
    expect(page.get_by_role("link", name="kitchen/tool/oven")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Type")).to_have_value("tool")


def test_module_shows_its_source_and_schema(page: Page) -> None:
    page.goto("/?view=collection&id=kitchen")
    page.get_by_role("link", name="kitchen/tool/oven").click()
    expect(page.get_by_role("heading", name="kitchen/tool/oven")).to_be_visible()
    expect(page.get_by_text("git+https://example.com/oven")).to_be_visible()
    expect(page.get_by_text("2.1.0")).to_be_visible()
    expect(page.locator("pre")).to_contain_text('"timeout"')
    page.get_by_role("link", name="kitchen", exact=True).click()
    expect(page.get_by_role("heading", name="kitchen")).to_be_visible()


def test_session_leads_to_its_plan(page: Page, session: str) -> None:
    page.goto(f"/?session={session}")
    page.get_by_role("link", name="Mount plan").click()
    expect(page.get_by_role("link", name="kitchen/chef")).to_be_visible()
    orchestrator = page.locator("section", has_text="Orchestrator").locator("summary")
    expect(orchestrator).to_contain_text("loop-basic")
    expect(orchestrator).to_contain_text("not found")
    oven = page.locator("details", has_text="kitchen/tool/oven")
    expect(oven).not_to_contain_text("not found")
    oven.locator("summary").click()
    expect(oven).to_contain_text('"timeout": 9')
    expect(oven).to_contain_text("git+https://example.com/oven")
    page.get_by_role("link", name="Transcript").click()
    expect(page.get_by_text("This session has no messages.")).to_be_visible()


def test_long_text_of_a_plan_is_shown_on_request(page: Page, session: str) -> None:
    page.goto(f"/?view=plan&session={session}")
    text = page.locator("details", has_text="kitchen/chef.context.long")
    expect(text).not_to_contain_text("more")
    text.locator("summary").click()
    expect(text).to_contain_text("Once more")
    expect(text).not_to_contain_text("the end")
    text.get_by_role("button", name="Show all").click()
    expect(text).to_contain_text("the end")


@pytest.mark.parametrize("address", ["/?view=modules", "/?view=module&id=kitchen/tool/oven", "/?view=plan&session={}"])
def test_modules_and_plans_have_no_violations(page: Page, session: str, address: str) -> None:
    page.goto(address.format(session))
    expect(page.locator("h1")).to_be_visible()
    for summary in page.locator("summary").all():
        summary.click()
    assert_accessible(page)


@pytest.mark.parametrize("address", ["/?view=module&id=none/tool/none", "/?view=plan&session=none"])
def test_missing_resource_is_reported(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_role("alert")).to_contain_text("not found")
