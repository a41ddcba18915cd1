"""Times of messages, as other tools write them: numbers in several units, and texts."""

import json
from typing import Any

import pytest

from samples.histories import CHATGPT, CHATGPT_ID, gpt_node, gpt_text, libre_message
from samples.history_reading import Read


def of_librechat(*messages: dict[str, Any]) -> Read:
    """A conversation of LibreChat, read."""
    return Read(json.dumps({"conversationId": "c", "messages": messages}).encode(), "librechat")


def times_in(read: Read) -> list[str]:
    """The times of the messages of the first session."""
    return [message["timestamp"] for message in read.messages[read.sessions[0]["id"]]]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (1_732_000_000, "2024-11-19T07:06:40.000000Z"),
        (1_732_000_000.25, "2024-11-19T07:06:40.250000Z"),
        (1_732_000_000_250, "2024-11-19T07:06:40.250000Z"),
        (1_732_000_000_250_001, "2024-11-19T07:06:40.250001Z"),
        (1_732_000_000_250_001_999, "2024-11-19T07:06:40.250001Z"),
        ("1732000000", "2024-11-19T07:06:40.000000Z"),
        ("1732000000.25", "2024-11-19T07:06:40.250000Z"),
        ("1732000000250", "2024-11-19T07:06:40.250000Z"),
        ("2024-11-19", "2024-11-19T00:00:00.000000Z"),
        ("2024-11-19T08:06Z", "2024-11-19T08:06:00.000000Z"),
        ("2024-11-19 08:06:40", "2024-11-19T08:06:40.000000Z"),
        ("2024-11-19 08:06:40 UTC", "2024-11-19T08:06:40.000000Z"),
        ("2024-11-19T08:06:40+0100", "2024-11-19T07:06:40.000000Z"),
        ("20241119T080640Z", "2024-11-19T08:06:40.000000Z"),
        ("2024-11-19t08:06:40.123456789z", "2024-11-19T08:06:40.123456Z"),
        ({"$date": "2024-11-19T08:06:40.250Z"}, "2024-11-19T08:06:40.250000Z"),
    ],
)
def test_time_may_be_a_number_or_a_text(given: Any, read: str) -> None:
    source = of_librechat(libre_message("a", text="Hi", createdAt=given))
    assert (source.faults, times_in(source)) == ([], [read])


@pytest.mark.parametrize("given", ["soon", "2024", "0000-01-01T00:00:00Z", 1e300, {"$date": "soon"}, [1], "9" * 5_000])
def test_invalid_time_is_reported(given: Any) -> None:
    read = of_librechat(
        libre_message("a", text="Hi", createdAt="2024-11-19T08:06:40Z"),
        libre_message("b", parentMessageId="a", text="Hi again", createdAt=given),
    )
    assert [kind for kind, _ in read.faults] == ["invalid time"]
    assert times_in(read) == ["2024-11-19T08:06:40.000000Z"] * 2


def test_message_of_chatgpt_without_a_time_has_that_of_the_message_before() -> None:
    nodes = [gpt_node(key, parent, "user", gpt_text(key)) for key, parent in (("a", None), ("b", "a"), ("c", "b"))]
    nodes[1][1]["message"]["create_time"] = None
    # A later answer to the first message is read between the two.
    nodes.append(gpt_node("other", "a", "user", gpt_text("other")))
    mapping = dict(reversed(nodes))
    read = Read(json.dumps([{**CHATGPT[0], "mapping": mapping, "current_node": "c"}]).encode())
    first, second, third = read.messages[CHATGPT_ID]
    assert [first["id"], second["id"], third["id"]] == ["a", "b", "c"]
    assert first["timestamp"] == second["timestamp"] <= third["timestamp"]
