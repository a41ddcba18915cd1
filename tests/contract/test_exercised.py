"""What the contract declares is what this whole test run has seen; it comes last, and only in a whole run."""

from amplifierd.contract import load_document
from amplifierd.settings import CONTRACT
from daemon import EXERCISED

# Declared responses that no test can bring about, each with its reason. Ten at most.
UNSEEN: dict[tuple[str, str, str], str] = {}


def declared() -> set[tuple[str, str, str]]:
    """Each response that the contract declares: operation, status, media type."""
    document = load_document(CONTRACT)
    return {
        (operation["operationId"], status, media_type)
        for _, _, operation in document.operations()
        for status, node in operation["responses"].items()
        for media_type in document.resolve(node).get("content", {"-": None})
    }


def test_every_declared_response_was_seen() -> None:
    assert sorted(declared() - EXERCISED - UNSEEN.keys()) == []


def test_every_response_seen_is_declared() -> None:
    assert sorted(EXERCISED - declared()) == []


def test_the_list_of_exceptions_is_short() -> None:
    assert len(UNSEEN) <= 10
    assert UNSEEN.keys() <= declared() - EXERCISED
