"""Screenshots of four views and of the API reference for the documentation: `make page`."""

import json
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from conftest import sqlite_daemon
from daemon import Daemon, http_post

daemon = sqlite_daemon

DOCS = Path(__file__).parents[2] / "docs"
PLAN = "Limit (actual time=838.1..838.2 rows=20)\n  -> Sort\n    -> Seq Scan on orders (rows=1204331)\n"
ANSWER = """The slow part is the **full scan** in `list_orders`: it reads every row of the year and sorts them.
An index on `(customer_id, created_at)` answers the query without a sort:

```sql
CREATE INDEX orders_by_customer
    ON orders (customer_id, created_at DESC);
```

| query | before | after |
|---|---:|---:|
| latest 20 orders | 840 ms | 1.2 ms |
| orders of a month | 910 ms | 6.8 ms |
"""
QUESTION = "The page with the latest orders takes almost a second. Can you find out why?"
ENDINGS = {
    "Plan the orchard irrigation": ("complete", None),
    "Translate the release notes": ("terminate", None),
    "Nightly import of the catalogue": ("fail", {"error_message": "The model did not answer within 60 s."}),
}


def test_screenshots(page: Page, daemon: Daemon, new_session: Callable[..., str]) -> None:
    trunk, branch = _fill(daemon, new_session)
    page.set_viewport_size({"width": 1200, "height": 800})
    addresses = {
        "sessions": "/",
        "session": f"/?session={trunk}",
        "search": "/?view=search&q=orders",
        "branches": f"/?view=compare&a={trunk}&b={branch}",
    }
    for name, address in addresses.items():
        page.emulate_media(color_scheme="dark" if name == "branches" else "light")
        page.goto(address)
        expect(page.locator("main").locator("h1").first).to_be_visible()
        if name == "session":
            expect(page.locator("pre .hljs-keyword").first).to_be_visible()
        if name == "search":
            expect(page.locator("mark").first).to_be_visible()
        page.screenshot(path=DOCS / f"page-{name}.png")
    page.emulate_media(color_scheme="light")
    page.goto("/docs#tag/sessions/POST/sessions")
    expect(page.get_by_role("tab", name="201").first).to_be_visible()
    page.screenshot(path=DOCS / "reference.png")


def _fill(daemon: Daemon, new_session: Callable[..., str]) -> tuple[str, str]:
    """Create realistic conversations, and two branches of one."""
    for path in ("projects/atlas", "projects/orchard"):
        http_post(f"{daemon.api}/amplified-directories", json={"relative_path": path, "create_marker": False})
    for name, (ending, body) in ENDINGS.items():
        session = new_session(
            "Please begin.",
            {"role": "assistant", "content": "Done.", "token_count": 230},
            name=name,
            amplified_dir="projects/orchard",
        )
        http_post(f"{daemon.api}/sessions/{session}/{ending}", json=body).raise_for_status()
    question = {"sql": "SELECT id, total FROM orders WHERE customer_id = 42"}
    parts = [
        {"type": "reasoning", "text": "The plan shows a sequential scan; look at the indexes first."},
        {"type": "tool_call", "call": "c1", "name": "explain_query", "input": json.dumps(question)},
        {"type": "tool_result", "call": "c1", "output": PLAN * 40},
        {"type": "text", "text": ANSWER},
    ]
    trunk = new_session(
        QUESTION,
        {
            "role": "assistant",
            "model": "claude-opus-4-5",
            "parts": parts,
            "usage": {"output_tokens": 164},
            "token_count": 164,
        },
        "Good. Write the migration.",
        {"role": "assistant", "content": "Here it is, with a lock timeout, so that it cannot block writers of orders."},
        name="Why the order list is slow",
        amplified_dir="projects/atlas",
    )
    forked = http_post(f"{daemon.api}/sessions/{trunk}/fork", json={"at_sequence": 3, "name": "With a covering index"})
    branch: str = forked.json()["id"]
    other = {
        "role": "assistant",
        "content": "Here it is, built concurrently, so that it cannot block readers of orders.",
    }
    http_post(f"{daemon.api}/sessions/{branch}/messages", json=other).raise_for_status()
    return trunk, branch
