"""`python -m bench.page`: what the page costs in a browser, with a transcript of 100,000 messages. Needs Chromium.

Prints bytes of the first load, the time to the first paint, the time until a session is shown at its end and at a
message, the time of frames while scrolling, the elements of the document, and the memory before and after a live tail.
"""

import json
import shutil
import statistics
from collections.abc import Iterator
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from amplifierd.testing import daemon

MESSAGES = 100_000
FRAMES = 600
FRAME_PIXELS = 60
TAIL = 2_000
ROUNDS = 5
SESSION = "01a20a2c-0e7b-744d-a181-2eb29709db54"
WAIT_MS = 60_000
TIME = "2025-11-21T19:33:19.192107Z"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
MARKDOWN = "An **answer** with `code`:\n\n```python\nprint('once')\n```\n\n- one\n- two\n"

# When the message that a test waits for is shown, in milliseconds since the navigation began.
SHOWN = """sequence => new Promise(resolve => {
    const look = () => {
        const row = document.querySelector(`[data-sequence='${sequence}']`);
        const box = row && row.getBoundingClientRect();
        box && box.bottom > 0 && box.top < innerHeight ? resolve(performance.now()) : requestAnimationFrame(look);
    };
    look();
})"""
SCROLL = """([frames, pixels]) => new Promise(resolve => {
    const view = document.querySelector('.transcript');
    const times = [], nodes = [];
    let last = performance.now();
    const step = now => {
        times.push(now - last);
        nodes.push(document.querySelectorAll('*').length);
        last = now;
        view.scrollTop += pixels;
        times.length < frames ? requestAnimationFrame(step) : resolve([times, nodes]);
    };
    requestAnimationFrame(step);
})"""
BYTES = """() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
    .filter(entry => !entry.name.includes('/api/'))
    .reduce((sum, entry) => sum + entry.encodedBodySize, 0)"""
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def lines() -> Iterator[bytes]:
    """An export with one long session."""
    session = {"id": SESSION, "status": "active", "profile": "default", "context": {}, "amplifiedDir": "."}
    counts = {"createdAt": TIME, "updatedAt": TIME, "messageCount": MESSAGES, "tokenUsage": 0, "version": MESSAGES + 1}
    yield json.dumps({"header": {"format": "amplifierd-export", "version": 1}}).encode() + b"\n"
    yield json.dumps({"session": {**session, **counts}}).encode() + b"\n"
    for sequence in range(1, MESSAGES + 1):
        content = MARKDOWN if sequence % 5 == 0 else f"Message {sequence}. " + "It goes on. " * (sequence % 40)
        message = {"role": "user" if sequence % 2 else "assistant", "content": content, "timestamp": TIME}
        yield json.dumps({"message": {**message, "metadata": {}, "sequence": sequence}}).encode() + b"\n"


def shown(page: Page, address: str, sequence: int) -> float:
    """How long a session takes until a message is in view."""
    page.goto("about:blank")
    page.goto(address, wait_until="commit")
    milliseconds: float = page.evaluate(SHOWN, sequence)
    return milliseconds


def heap(page: Page) -> float:
    """The memory of the page's objects, in MB, without what nobody uses."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    size: float = session.send("Runtime.getHeapUsage")["usedSize"]
    return size / 1e6


def measure(browser: Browser, url: str, client: httpx.Client) -> dict[str, Any]:
    """All figures by name."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(WAIT_MS)
    session = f"{url}/?session={SESSION}"
    page.goto(url)
    page.wait_for_selector(".list")
    figures: dict[str, Any] = {"first load, bytes": page.evaluate(BYTES), "first paint, ms": page.evaluate(PAINT)}
    figures["open at the end, ms"] = statistics.median(shown(page, session, MESSAGES) for _ in range(ROUNDS))
    figures["open at #42, ms"] = statistics.median(shown(page, f"{session}#42", 42) for _ in range(ROUNDS))
    times, nodes = page.evaluate(SCROLL, [FRAMES, FRAME_PIXELS])
    ordered = sorted(times)
    figures["frame, median ms"], figures["frame, 99th percentile ms"] = (
        statistics.median(times),
        ordered[-FRAMES // 100],
    )
    figures["elements, most"] = max(nodes)
    shown(page, session, MESSAGES)
    figures["memory before, MB"] = heap(page)
    for start in range(0, TAIL, 100):
        body = {"messages": [{"content": f"Tail {number}"} for number in range(start, start + 100)]}
        client.post(f"/sessions/{SESSION}/messages/batch", json=body).raise_for_status()
    page.evaluate(SHOWN, MESSAGES + TAIL)
    figures[f"memory after {TAIL} live messages, MB"] = heap(page)
    return figures


def main() -> None:
    """Measure, and print."""
    with daemon() as url, httpx.Client(base_url=f"{url}/api/v1", timeout=300, trust_env=False) as client:
        headers = {"Content-Type": "application/x-ndjson"}
        client.post("/import", content=lines(), headers=headers).raise_for_status()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            for name, figure in measure(browser, url, client).items():
                print(f"{name}: {figure:,.1f}")  # noqa: T201  # it is a program
            browser.close()


if __name__ == "__main__":
    main()
