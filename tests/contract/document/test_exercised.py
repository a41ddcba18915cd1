"""The responses that the contract declares are those that the tests received in their last complete run."""

import pytest

from amplifierd.contract import load_document
from amplifierd.settings import CONTRACT
from daemon import EXERCISED_AT

# Declared responses that no test can cause, with the reason for each. At most ten.
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


@pytest.fixture
def exercised(pytestconfig: pytest.Config) -> set[tuple[str, str, str]]:
    """Each response that the tests received."""
    assert pytestconfig.cache is not None, "The plugin for it is pytest's own."
    seen: list[tuple[str, str, str]] | None = pytestconfig.cache.get(EXERCISED_AT, None)
    assert seen is not None, "There was no whole run yet: run pytest first."
    return {(operation, status, media_type) for operation, status, media_type in seen}


def test_declared_responses_are_all_exercised(exercised: set[tuple[str, str, str]]) -> None:
    assert sorted(declared() - exercised - UNSEEN.keys()) == []


def test_exercised_responses_are_declared(exercised: set[tuple[str, str, str]]) -> None:
    assert sorted(exercised - declared()) == []


def test_list_of_exceptions_is_short(exercised: set[tuple[str, str, str]]) -> None:
    assert len(UNSEEN) <= 10
    assert UNSEEN.keys() <= declared() - exercised
