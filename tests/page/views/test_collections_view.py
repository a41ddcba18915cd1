"""Collections in the page: what each provides, and which problems it has."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from daemon import Daemon
from programs.browser import assert_accessible
from samples.collection_folders import daemon_with_collection, profile

HOSTILE = "<img src=x onerror=ran()>"
FILES = {
    "base.md": profile("base"),
    "broken.md": "---\nprofile: [\n---\n",
    f"{HOSTILE}.md": f"---\nprofile: {{name: '{HOSTILE}', version: 1}}\n---\n",
    "agents/zen.md": "Be calm.",
    f"context/{HOSTILE}.md": "Context",
    "tools/bash/module.yaml": "entry: bash\n",
    **{f"context/many/{number:03}.md": "Context" for number in range(250)},
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with one collection."""
    with daemon_with_collection(tmp_path_factory.mktemp("collections"), "teams/kitchen", FILES) as running:
        yield running


def test_collections_lead_to_profiles(page: Page) -> None:
    page.goto("/")
    page.get_by_role("navigation").get_by_role("link", name="Collections").click()
    page.get_by_role("link", name="teams/kitchen").click()
    expect(page.locator("h1")).to_contain_text("Synced")
    expect(page.get_by_text("tools/bash").or_(page.get_by_text("kitchen/tool/bash"))).to_be_visible()
    page.get_by_role("link", name="kitchen/base").click()
    expect(page.get_by_role("heading", name="kitchen/base")).to_be_visible()
    # The profile belongs to the collection, so nobody can change it.
    expect(page.get_by_role("button", name="Make active")).to_be_visible()
    expect(page.get_by_role("button", name="Edit")).to_have_count(0)
    page.get_by_role("link", name="from teams/kitchen").click()
    expect(page.get_by_role("heading", name="teams/kitchen")).to_be_visible()


def test_problems_and_names_stay_text(page: Page) -> None:
    page.add_init_script("window.ran = () => { window.hasRun = true; };")
    page.goto("/?view=collection&id=teams/kitchen")
    problems = page.locator("section", has_text="Problems").locator(".problem")
    expect(problems.filter(has_text="broken.md")).to_contain_text("line ")
    expect(problems.filter(has_text=HOSTILE)).to_have_count(1)
    expect(page.get_by_text(f"context/{HOSTILE}.md")).to_be_visible()
    expect(page.get_by_text("context/many/240.md")).to_have_count(0)
    page.get_by_role("button", name="Show all 251").click()
    expect(page.get_by_text("context/many/240.md")).to_be_visible()
    assert page.evaluate("window.hasRun") is None


@pytest.mark.parametrize("address", ["/?view=collections", "/?view=collection&id=teams/kitchen"])
def test_collections_have_no_violations(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("h1")).to_be_visible()
    assert_accessible(page)


def test_unknown_collection_is_reported(page: Page) -> None:
    page.goto("/?view=collection&id=none")
    expect(page.get_by_role("alert")).to_contain_text("not found")
