"""A browser for the page: Debian's Chromium, which sends requests only to the daemon."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from daemon import Daemon

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MS = 60_000


expect.set_options(timeout=WAIT_MS)


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser with an empty profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def watched(browser: Browser, daemon: Daemon) -> Iterator[Page]:
    """A page of a daemon. The test fails if the page does anything that `Watch` forbids."""
    context = browser.new_context(base_url=f"{daemon.url}/", viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    watch = Watch(page, daemon)
    yield page
    context.close()
    assert watch.faults == []


class Watch:
    """Records what a page must not do: raise an error, violate its policy, or send a request to another origin."""

    def __init__(self, page: Page, daemon: Daemon) -> None:
        self.faults: list[str] = []
        self._own = (f"{daemon.url}/", "data:", "blob:")
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("dialog", lambda dialog: self.faults.append(f"dialog: {dialog.message}"))
        page.on("console", lambda message: self._say(message.text))
        page.on("request", self._request)

    def _say(self, text: str) -> None:
        if "Content Security Policy" in text or "Trusted" in text:
            self.faults.append(text)

    def _request(self, request: Request) -> None:
        if not request.url.startswith(self._own):
            self.faults.append(f"request: {request.url}")


def violations(page: Page, *rules: str) -> list[str]:
    """The violations that axe-core finds: each rule (of the named ones, or of all) with the elements that break it."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text())
    options = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
    result: dict[str, Any] = page.evaluate("options => axe.run(options)", options)
    return [
        f"{found['id']}: {node['html']} {node['failureSummary']}"
        for found in result["violations"]
        for node in found["nodes"]
    ]


def assert_accessible(page: Page) -> None:
    """Assert that axe-core finds no violation, even in a dark and narrow window, and that the view fits the window."""
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    assert violations(page, "color-contrast", "target-size") == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
