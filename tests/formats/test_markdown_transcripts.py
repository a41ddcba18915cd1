"""Transcripts as Markdown: whatever a message has, each message has its heading, and no other text looks like one."""

import re
from itertools import pairwise

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from amplifierd.documents.markdown import markdown_of
from amplifierd.storage.model.records import Message

NO_METADATA = msgspec.Raw(b"{}")
TIME = "2026-11-28T10:00:00.000000Z"
# What CommonMark reads as the beginning or the end of a block, and what may stand between.
PIECES = st.sampled_from(
    [
        *("```", "````", "~~~", " ```py", "a ```", "`", "- ", "1. ", "2) ", "> ", "  ", "   ", "    ", "\t"),
        *("\n", "\n\n", "\r\n", "x", "a b", "*", "# a", "---", "===", "## 1. Overview\n", "2. user x UTC\n"),
        *("<!-- ", "-->", "<pre>", "</pre>", "<div>", "</div>", "<script>", "</script>", "<?", "?>", "<!D", "<b"),
        *(
            "<![CDATA[",
            "]]>",
            "<details>",
            "</details>",
            "## 2. user, 2026-11-28 10:00:00 UTC\n",
            "3\\\\. tool, x UTC\n",
        ),
    ]
)
FIRST, LAST = "1. assistant, 2026-11-28 10:00:00 UTC", "2. user, 2026-11-28 10:00:00 UTC"
HEADING = re.compile(r"[0-9]+\. (user|assistant|tool)\b.* UTC")

markdown = MarkdownIt("commonmark")


def transcript_of(text: str) -> str:
    """The transcript of this message and a short one."""
    messages = [
        Message(role="assistant", content=text, timestamp=TIME, metadata=NO_METADATA, sequence=1),
        Message(role="user", content="Thanks.", timestamp=TIME, metadata=NO_METADATA, sequence=2),
    ]
    return markdown_of(msgspec.json.encode(messages)).decode()


def headings_in(text: str) -> list[str]:
    """The headings that are no part of another block, and look like those of messages."""
    tokens = markdown.parse(text)
    following = [after.content for token, after in pairwise(tokens) if is_heading(token.type, token.level)]
    return [heading for heading in following if HEADING.match(heading)]


def is_heading(kind: str, level: int) -> bool:
    return kind == "heading_open" and level == 0


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
@example("<!-- open")
@example("- ```\n  code\n  ```\n")
@example("1. a\n   ```\n   code")
@example("> ```\n> code")
@example("2\\\\. user, 2026-11-28 10:00:00 UTC\n---")
def test_each_message_has_its_heading(text: str) -> None:
    assert headings_in(transcript_of(text)) == [FIRST, LAST]


@pytest.mark.parametrize(
    "text",
    [
        "## 1. Overview\n\n## 2. user guide",
        "1. Do:\n   ```sh\n   make\n   ```\n2. Next",
        "- a\n  ```py\n  x\n  ```",
        "```html\n<!-- x\n<div>\n```\nDone <br> now.",
        "Use `Vec<u8>` or List<String> and <your-name>.",
        "> ```\n> x\n> ```",
        "<details>\n<summary>a</summary>\n\n```\nx\n```\n\n</details>",
        "<!-- a note -->\nText",
        "```python\n>>> 1 + 1\n2\n```",
        "```diff\n> a\n```\n- done",
    ],
)
def test_usual_markdown_is_unchanged(text: str) -> None:
    assert f"## {FIRST}\n\n{text}\n\n## {LAST}\n\n" in transcript_of(text)


def test_reasoning_stays_in_its_fold() -> None:
    parts = msgspec.Raw(msgspec.json.encode([{"type": "reasoning", "text": "</details>\n\nOutside?"}]))
    message = Message(role="assistant", content="", timestamp=TIME, metadata=NO_METADATA, sequence=1, parts=parts)
    text = markdown_of(msgspec.json.encode([message])).decode()
    assert "```\n</details>\n\nOutside?\n```\n\n</details>\n" in text


def test_parts_do_not_join() -> None:
    texts = ["1. Run:", "   ```sh\nmake\n```\nDone."]
    parts = msgspec.Raw(msgspec.json.encode([{"type": "text", "text": text} for text in texts]))
    messages = [
        Message(role="assistant", content="", timestamp=TIME, metadata=NO_METADATA, sequence=1, parts=parts),
        Message(role="user", content="Thanks.", timestamp=TIME, metadata=NO_METADATA, sequence=2),
    ]
    assert headings_in(markdown_of(msgspec.json.encode(messages)).decode()) == [FIRST, LAST]
