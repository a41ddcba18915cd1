"""`python -m bench.page`: measures the page in a browser, with a transcript of 100,000 messages. Needs Chromium.

Prints the table of docs/page.md: the bytes of the first load, the time to the first paint, the time until a session is
shown at its end, at a search hit and at a message, the time of frames while scrolling, the elements of the document,
and the memory before and after a live tail. It prints the median and the minimum of repeated measurements. An address
opens in a new process of the browser; the time of an empty document is that of the process alone.
"""

import json
import shutil
import statistics
import time
from collections.abc import Callable, Iterator

import httpx
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from amplifierd.testing import daemon

MESSAGES = 100_000
FRAMES = 600
FRAME_PIXELS = 60
TAIL = 2_000
ROUNDS = 9
SESSION = "01a20a2c-0e7b-744d-a181-2eb29709db54"
WAIT_MS = 60_000
INDEX_SECONDS = 120
VIEWPORT: ViewportSize = {"width": 1400, "height": 900}
# The one message with this word.
WORD, HIT = "quinces", 60_001
TIME = "2025-11-21T19:33:19.192107Z"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
MARKDOWN = "An **answer** with `code`:\n\n```python\nprint('once')\n```\n\n- one\n- two\n"

# The time when the awaited message is shown, in milliseconds since the navigation began.
SHOWN = """sequence => new Promise(resolve => {
    const look = () => {
        const row = document.querySelector(`[data-sequence='${sequence}']`);
        const box = row && row.getBoundingClientRect();
        box && box.bottom > 0 && box.top < innerHeight ? resolve(performance.now()) : requestAnimationFrame(look);
    };
    look();
})"""
# The same, in milliseconds since a link was pressed.
PRESSED = """([link, sequence]) => new Promise(resolve => {
    const start = performance.now();
    link.click();
    const look = () => {
        const row = document.querySelector(`[data-sequence='${sequence}']`);
        const box = row && row.getBoundingClientRect();
        box && box.bottom > 0 && box.top < innerHeight
            ? resolve(performance.now() - start) : requestAnimationFrame(look);
    };
    look();
})"""
FRAME = "new Promise(resolve => requestAnimationFrame(() => resolve(performance.now())))"
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
        if sequence == HIT:
            content = f"About {WORD}."
        message = {"role": "user" if sequence % 2 else "assistant", "content": content, "timestamp": TIME}
        yield json.dumps({"message": {**message, "metadata": {}, "sequence": sequence}}).encode() + b"\n"


def shown(page: Page, address: str, sequence: int) -> float:
    """The time until a message of a session is in view, in a new process of the browser."""
    page.goto("about:blank")
    page.goto(address, wait_until="commit")
    milliseconds: float = page.evaluate(SHOWN, sequence)
    return milliseconds


def busy(page: Page, address: str, sequence: int) -> float:
    """The CPU time of the page's main thread until a message is in view, independent of other programs."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    shown(page, address, sequence)
    metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
    session.detach()
    return 1000 * float(metrics["TaskDuration"])


def shown_first(browser: Browser, address: str, sequence: int) -> float:
    """Like `shown`, in a browser with an empty cache."""
    context = browser.new_context(viewport=VIEWPORT)
    milliseconds = shown(context.new_page(), address, sequence)
    context.close()
    return milliseconds


def painted_first(browser: Browser, url: str) -> float:
    """The time until the first paint in a browser with an empty cache."""
    context = browser.new_context(viewport=VIEWPORT)
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector(".list")
    milliseconds: float = page.evaluate(PAINT)
    context.close()
    return milliseconds


def empty(page: Page, url: str) -> float:
    """The time until an empty document is loaded."""
    page.goto("about:blank")
    page.goto(f"{url}/web/icon.svg", wait_until="commit")
    milliseconds: float = page.evaluate(FRAME)
    return milliseconds


def pressed(page: Page, view: str, link: str, sequence: int) -> float:
    """The time until a message is in view after a link to it is pressed in another view."""
    page.goto(view)
    element = page.wait_for_selector(link)
    milliseconds: float = page.evaluate(PRESSED, [element, sequence])
    return milliseconds


def heap(page: Page) -> float:
    """The memory of the page's objects, in MB, after garbage collection."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    size: float = session.send("Runtime.getHeapUsage")["usedSize"]
    return size / 1e6


def opening(browser: Browser, page: Page, url: str) -> dict[str, list[float]]:
    """The times of the first paint, and of opening a session in different ways, by name."""
    session, hit = f"{url}/?session={SESSION}", f"a[data-item][href='?session={SESSION}#{HIT}']"
    ways: dict[str, Callable[[], float]] = {
        "first paint, nothing read before, ms": lambda: painted_first(browser, url),
        "from the list, at its end, ms": lambda: pressed(page, url, f"a[href='?session={SESSION}']", MESSAGES),
        "from a search, at the hit, ms": lambda: pressed(page, f"{url}/?view=search&q={WORD}", hit, HIT),
        "by its address, at its end, ms": lambda: shown(page, session, MESSAGES),
        "by its address, at its end, ms of the main thread": lambda: busy(page, session, MESSAGES),
        "by its address, at #42, ms": lambda: shown(page, f"{session}#42", 42),
        "by its address, nothing read before, ms": lambda: shown_first(browser, session, MESSAGES),
        "an empty document by its address, ms": lambda: empty(page, url),
    }
    return {name: [way() for _ in range(ROUNDS)] for name, way in ways.items()}


def wait_for_index(client: httpx.Client) -> None:
    """Wait until the imported messages are in the search index."""
    for _ in range(INDEX_SECONDS):
        if client.get("/search", params={"q": WORD}).is_success:
            return
        time.sleep(1)
    raise RuntimeError("The search index is not complete.")


def measure(browser: Browser, url: str, client: httpx.Client) -> dict[str, list[float]]:
    """All figures by name; repeated measurements have several values."""
    page = browser.new_page(viewport=VIEWPORT)
    page.set_default_timeout(WAIT_MS)
    session = f"{url}/?session={SESSION}"
    page.goto(url)
    page.wait_for_selector(".list")
    figures = {"first load, bytes": [page.evaluate(BYTES)]}
    figures |= opening(browser, page, url)
    shown(page, f"{session}#42", 42)
    times, nodes = page.evaluate(SCROLL, [FRAMES, FRAME_PIXELS])
    figures["frame while scrolling, median, ms"] = [statistics.median(times)]
    figures["frame while scrolling, 99th percentile, ms"] = [sorted(times)[-FRAMES // 100]]
    figures["elements, most"] = [max(nodes)]
    shown(page, session, MESSAGES)
    figures["memory at the end, MB"] = [heap(page)]
    for start in range(0, TAIL, 100):
        body = {"messages": [{"content": f"Tail {number}"} for number in range(start, start + 100)]}
        client.post(f"/sessions/{SESSION}/messages/batch", json=body).raise_for_status()
    page.evaluate(SHOWN, MESSAGES + TAIL)
    figures[f"memory after {TAIL:,} live messages, MB"] = [heap(page)]
    return figures


def rounded(value: float) -> str:
    """A figure as text, rounded."""
    return f"{value:,.{0 if value >= 50 else 1}f}"


def main() -> None:
    """Measure, and print."""
    with daemon() as url, httpx.Client(base_url=f"{url}/api/v1", timeout=300, trust_env=False) as client:
        headers = {"Content-Type": "application/x-ndjson"}
        client.post("/import", content=lines(), headers=headers).raise_for_status()
        wait_for_index(client)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            for name, values in measure(browser, url, client).items():
                shown_values = dict.fromkeys((statistics.median(values), min(values)))
                print(f"| {name} | {' | '.join(map(rounded, shown_values))} |")  # noqa: T201  # it is a program
            browser.close()


if __name__ == "__main__":
    main()
