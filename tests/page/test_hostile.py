"""Stored content stays text in the page: it runs no script, sends nothing and loads nothing from elsewhere."""

import re
from collections.abc import Callable, Iterator
from itertools import product

import httpx
import pytest
from playwright.sync_api import Page, expect

from conftest import sqlite_daemon

daemon = sqlite_daemon

EVIL = "https://evil.example"
SCHEMES = [
    "javascript:ran()",
    "JaVaScRiPt:ran()",
    "java\tscript:ran()",
    " javascript:ran()",
    "&#106;avascript:ran()",
    "javascript&colon;ran()",
    "vbscript:ran()",
    "data:text/html,<script>ran()</script>",
    "data:image/svg+xml,<svg onload=ran()>",
    "blob:x",
    "file:///etc/passwd",
    "//evil.example/a",
    "/api/v1/export",
    "ftp://evil.example/a",
]
# The service refuses any other URL of a file.
ABSOLUTE = [scheme for scheme in SCHEMES if re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:\S+", scheme)]
LINKS = ["[a]({})", "![a]({})", "<{}>", "[a]: {}\n\n[a]", "<a href='{}'>a</a>", '[a]({} "onmouseover=ran()")']
ELEMENTS = [
    "<script>ran()</script>",
    "<img src=x onerror=ran()>",
    f"<img src={EVIL}/pixel.png>",
    f"<img srcset='{EVIL}/pixel.png 1x'>",
    "<svg onload=ran()><circle/></svg>",
    "<svg><script>ran()</script></svg>",
    "<svg><a xlink:href='javascript:ran()'><text>a</text></a></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=ran()&gt;'>",
    "<iframe srcdoc='<script>parent.ran()</script>'></iframe>",
    f"<iframe src={EVIL}></iframe>",
    f"<object data={EVIL}></object>",
    f"<embed src={EVIL}>",
    f"<link rel=stylesheet href={EVIL}/a.css>",
    f"<style>@import '{EVIL}/a.css';</style>",
    f"<div style='background:url({EVIL}/a.png)'>a</div>",
    f"<base href={EVIL}/>",
    f"<meta http-equiv=refresh content='0;url={EVIL}'>",
    f"<form action={EVIL}><button>a</button></form>",
    "<form><input name=querySelectorAll><input name=nodes></form>",
    f"<video src={EVIL}/a.mp4 autoplay onerror=ran()></video>",
    f"<audio src={EVIL}/a.mp3 autoplay></audio>",
    "<details open ontoggle=ran()>a</details>",
    "<body onload=ran()>",
    "<noscript><p title='</noscript><img src=x onerror=ran()>'>",
    "<template><script>ran()</script></template>",
    "<xmp><img src=x onerror=ran()></xmp>",
    "<a href='javascript:ran()' id=main>a</a>",
    "<p id=page class=skip>a</p>",
    "<button class=copy>a</button>",
    "<custom-element onclick=ran()>a</custom-element>",
    "<scr<script>ipt>ran()</script>",
    '<IMG SRC="jav&#x0A;ascript:ran();">',
    "<svg><foreignObject><img src=x onerror=ran()></foreignObject></svg>",
    "<svg><animate onbegin=ran() attributeName=x dur=1s>",
    "<marquee onstart=ran()>a</marquee>",
    "<textarea autofocus onfocus=ran()></textarea>",
    "<select autofocus onfocus=ran()></select>",
    "<isindex type=image src=1 onerror=ran()>",
    "<plaintext><script>ran()</script>",
    "<!--><img src=x onerror=ran()>-->",
    "<![CDATA[><img src=x onerror=ran()>]]>",
    "<?xml version='1.0'?><x xmlns:a='http://www.w3.org/1999/xhtml'><a:script>ran()</a:script></x>",
]
TEXTS = [
    "```html\n<img src=x onerror=ran()>\n```",
    "```<img src=x onerror=ran()>\ncode\n```",
    "`<img src=x onerror=ran()>`",
    '```"onmouseover=ran()\ncode\n```',
    "# <img src=x onerror=ran()>",
    "| <img src=x onerror=ran()> |\n|---|\n| <script>ran()</script> |",
    "> <script>ran()</script>",
    "- [x] <img src=x onerror=ran()>",
    "\u202eRight to left\u202c and \u2066isolated\u2069",
    "\u0000\u0001\u001b[31mred\u001b[0m",
    "a\u0301" * 2_000,
    "x" * 100_000,
    "*" * 20_000,
    "~~" * 5_000,
    "1. " * 3_000,
    "\\" * 9_000,
    "[" * 10_000,
    "> " * 2_000,
    "- " * 2_000,
    "|a" * 5_000 + "|\n" + "|-" * 5_000 + "|\n",
    "![" * 5_000,
    "`" * 9_999,
    "<" * 10_000,
    "&lt;script&gt;ran()&lt;/script&gt;",
    "<mark>ran</mark> <mark onclick=ran()>a</mark>",
    "${ran()} {{ran()}} #{ran()} <%= ran() %>",
    "$\\href{javascript:ran()}{a}$",
    "__proto__ constructor toString",
    "\ud7ff\ue000\ufffe\uffff",
    "😀" * 3_000,
    "",
    " ",
    "\n\n\n",
]
CONTENTS = [
    *(link.format(scheme) for link, scheme in product(LINKS, SCHEMES)),
    *ELEMENTS,
    *(f"Some *Markdown* before {element}\n\nand after it." for element in ELEMENTS),
    *TEXTS,
]
# A field of one line takes no control characters.
LINES = [content for content in ELEMENTS if content.isprintable()]
ALLOWED_LINKS = "a[href]:not([href^='?']):not([href^='http://']):not([href^='https://']):not([href^='mailto:'])"


@pytest.fixture(autouse=True)
def _alarm(page: Page) -> Iterator[None]:
    page.add_init_script("window.ran = () => { window.hasRun = true; };")
    yield
    assert page.evaluate("window.hasRun") is None
    # The page's elements keep their names, and no link has a scheme that runs code.
    assert page.locator("main script, main iframe, main object, main embed, main form[action], main style").count() == 0
    assert page.locator(f"main :is({ALLOWED_LINKS}), main [onerror], main [onload]").count() == 0


def test_hostile_contents_cover_many_cases() -> None:
    assert len(set(CONTENTS)) >= 200


def test_contents_stay_text(page: Page, new_session: Callable[..., str]) -> None:
    session = new_session(
        *({"role": role, "content": content} for content, role in zip(CONTENTS, roles(), strict=False))
    )
    for sequence in range(1, len(CONTENTS) + 1, 20):
        page.goto(f"/?session={session}#{sequence}")
        expect(page.locator(f"[data-sequence='{sequence}']")).to_be_visible()
    assert page.locator(".message").count() > 0


def roles() -> Iterator[str]:
    while True:
        yield from ("user", "assistant", "system", "tool")


def test_parts_stay_text(page: Page, new_session: Callable[..., str]) -> None:
    texts = [*ELEMENTS, *TEXTS]
    messages = [
        {
            "role": "assistant",
            "agent": LINES[number % len(LINES)][:200],
            "model": LINES[number % len(LINES)][:200],
            # A key must not begin with NUL.
            "metadata": {f"x{text[:100]}": text[:100]},
            "parts": [
                {"type": "reasoning", "text": text},
                {"type": "tool_call", "call": "c", "name": text[:500] or "x", "input": text},
                {"type": "tool_result", "call": "c", "output": text},
                {"type": "file", "media": "image/svg+xml", "url": ABSOLUTE[number % len(ABSOLUTE)], "name": "a.svg"},
                {"type": "file", "media": "image/png", "url": f"{EVIL}/pixel.png", "name": text[:500] or "x"},
                {"type": "source", "url": SCHEMES[number % len(SCHEMES)], "title": text[:4000]},
                {"type": "data", "kind": "x", "value": {"__proto__": text, "html": text}},
                {"type": "text", "text": text},
            ],
        }
        for number, text in enumerate(texts)
    ]
    session = new_session(*messages)
    for sequence in range(1, len(messages) + 1, 20):
        page.goto(f"/?session={session}#{sequence}")
        expect(page.locator(f"[data-sequence='{sequence}']")).to_be_visible()
        page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
        expect(page.locator(".fold-body").first).to_be_attached()


def test_fields_stay_text(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    for number, line in enumerate(LINES):
        client.post(
            "/profiles", json={"name": f"hostile/{number}", "description": line, "instructions": line}
        ).raise_for_status()
        path = "".join(character for character in line if character not in '/\\:"<>|?*.')[:100].strip() or "x"
        body = {"relative_path": path, "metadata": {line: line}, "create_marker": False}
        client.post("/amplified-directories", json=body).raise_for_status()
        labels = {line.replace(":", "")[:200] or "x": line[:200]}
        session = new_session(f"quince {line}", name=line[:200], amplified_dir=path, labels=labels)
        client.post(f"/sessions/{session}/fail", json={"error_message": line}).raise_for_status()
    addresses = [
        "/",
        "/?view=profiles",
        "/?view=profile&name=hostile/1",
        "/?view=directories",
        f"/?session={session}",
        "/?view=search&q=quince",
        "/?view=search&q=<img src=x onerror=ran()>",
        "/?view=profile&name=<img src=x onerror=ran()>",
        "/?session=<img src=x onerror=ran()>",
        "/?name=<img src=x onerror=ran()>&status=<script>",
        "/?view=compare&a=../..&b=%00&from=-1",
    ]
    for address in addresses:
        page.goto(address)
        expect(page.locator("main").locator("h1, [role='alert']").first).to_be_visible()


def test_snippets_stay_text(page: Page, new_session: Callable[..., str]) -> None:
    new_session(*(f"medlar {content}" for content in ELEMENTS))
    page.goto("/?view=search&q=medlar")
    expect(page.locator("main mark").first).to_have_text("medlar")
    expect(page.get_by_text("onerror=ran()").first).to_be_visible()


def test_corrected_messages_stay_text(page: Page, client: httpx.Client, new_session: Callable[..., str]) -> None:
    session = new_session({"role": "assistant", "content": "medlar"})
    page.goto(f"/?session={session}")
    row = page.locator("[data-sequence='1']")
    expect(row).to_contain_text("medlar")
    for content in ELEMENTS:
        patch = {"content": f"quince {content}", "metadata": {"feedback": content, content: content}}
        client.patch(f"/sessions/{session}/messages/1", json=patch).raise_for_status()
    client.patch(f"/sessions/{session}/messages/1", json={"content": f"{ELEMENTS[1]} damson"}).raise_for_status()
    expect(row).to_contain_text("damson")
    row.hover()
    row.get_by_role("button", name="Edit").click()
    expect(page.get_by_role("dialog").get_by_label("Text")).to_have_value(f"{ELEMENTS[1]} damson")
    client.delete(f"/sessions/{session}/messages/1").raise_for_status()
    expect(row).to_contain_text("This message was deleted.")
