"""Search suggestions for mistyped words."""

import pytest

from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.queries import Replacement, SearchSuggestion
from amplifierd.storage.model.records import BatchMessage, NewMessage, NewMessages, NewSession
from amplifierd.testing.storage.steps import create_session, records

W = "default"
TEXTS = [
    "The deployment failed on staging",
    "Another deployment, and a stage",
    "staging, staging and the migration of the accommodation",
    "Привет, мир",
    "résumé of getUserById",
    "read_file opens secret_path in node.js, dont worry about the well-known mail",
]


@pytest.fixture
async def session_id(storage: Storage) -> str:
    created = await create_session(storage, NewSession())
    await storage.append_messages(W, created.id, NewMessages([BatchMessage(content=text) for text in TEXTS]))
    return created.id


async def suggested(storage: Storage, text: str, limit: int = 5, workspace: str = W) -> list[SearchSuggestion]:
    return await records(await storage.suggest_searches(workspace, text, limit), SearchSuggestion)


@pytest.mark.parametrize(
    ("text", "suggestions"),
    [
        # A letter is missing, added, replaced, or swapped with the next.
        ("deploymnt", ["deployment"]),
        ("deploymentt", ["deployment"]),
        ("Deploymint", ["deployment"]),
        ("depolyment", ["deployment"]),
        ("xeployment", ["deployment"]),
        # Two missing letters that the word has doubled, or two added or swapped letters; no other pairs of edits.
        ("depolymetn", ["deployment"]),
        ("depploymentt", ["deployment"]),
        ("acomodation", ["accommodation"]),
        ("acommoadtion", ["accommodation"]),
        ("accommxdatixn", []),
        ("accmmdation", []),
        # Two edits are not tried in a short word, or if a word with one edit is found.
        ("stgaign", []),
        ("migratoin", ["migration"]),
        ("Првет", ["привет"]),
        ("résumë", []),
        ("resme", ["resume"]),
        # Both words exist, the first in more messages.
        ("stageng", ["staging"]),
        ("stagng stge", ["staging stage"]),
        ("failed (stagng), role:user", ["failed (staging), role:user"]),
        ("failed OR deploymnt -stagng", ["failed OR deployment -stagng"]),
        # The words of an identifier are corrected one by one.
        ("secert_path", ["secret_path"]),
        ("secret_paht", ["secret_path"]),
        ("secert_paht", ["secret_path"]),
        ("read_fiel", ["read_file"]),
        ("readd_file", ["read_file"]),
        ("noed.js", ["node.js"]),
        ("Secert.Path()", ["secret.Path()"]),
        ("depolyment:read_file", ["deployment:read_file"]),
        ("tool:read_fiel", []),
        # It is found as one word.
        ("don't", []),
        ("file_read", []),
        ("get_user", []),
        # All words exist, or cannot be mistyped.
        ("deployments migrated", []),
        ("getUser", []),
        ('"deploymnt"', []),
        ("deploymn*", []),
        ("-deploymnt", []),
        ("日本 mr 12345", []),
        # Letters of three scripts are not a word, and a word of two scripts may have too many neighbors.
        ("stagng\u0436\u044f\u03b1", []),
        (" ".join("ab" + chr(0x7CA) * 30 for _ in range(3)), []),
        ("", []),
        # One of the words has no neighbor.
        ("deploymnt nothing", []),
        ("deploymnt stagng migratin resme", []),
    ],
)
async def test_suggestion_replaces_mistyped_words(
    storage: Storage, session_id: str, text: str, suggestions: list[str]
) -> None:
    assert session_id
    assert [each.q for each in await suggested(storage, text)] == suggestions


async def test_suggestion_names_its_replacements(storage: Storage, session_id: str) -> None:
    assert session_id
    [suggestion] = await suggested(storage, 'the "exact words" Deploymnt, stagng')
    assert suggestion == SearchSuggestion(
        'the "exact words" deployment, staging',
        [Replacement("Deploymnt", "deployment"), Replacement("stagng", "staging")],
    )


async def test_words_of_most_messages_are_suggested_first(storage: Storage, session_id: str) -> None:
    texts = ["bat cat", "cat", "hat", "fat"]
    await storage.append_messages(W, session_id, NewMessages([BatchMessage(content=text) for text in texts]))
    assert [each.q for each in await suggested(storage, "xat")] == ["cat", "bat", "fat", "hat"]
    assert [each.q for each in await suggested(storage, "xat", limit=2)] == ["cat", "bat"]


async def test_suggestion_uses_current_messages(storage: Storage, session_id: str) -> None:
    await storage.append_message(W, session_id, NewMessage(content="zebra"))
    assert [each.q for each in await suggested(storage, "zebr")] == ["zebra"]
    await storage.delete_session(W, session_id)
    assert await suggested(storage, "zebr") == []


async def test_suggestion_has_no_words_of_another_workspace(storage: Storage, session_id: str) -> None:
    assert session_id
    other = await storage.create_session("other", NewSession())
    await storage.append_message("other", other.id, NewMessage(content="deploymnt zebra"))
    assert [each.q for each in await suggested(storage, "deploymnt")] == ["deployment"]
    assert await suggested(storage, "zebr") == []
    assert [each.q for each in await suggested(storage, "zebr", workspace="other")] == ["zebra"]


async def test_suggestion_is_a_query(storage: Storage, session_id: str) -> None:
    await storage.append_message(W, session_id, NewMessage(content="abcdefg"))
    longest = "abcdef " + "of " * 331
    assert len(longest) == 1_000
    assert await suggested(storage, longest) == []
    assert [each.q for each in await suggested(storage, longest[:-1])] == ["abcdefg " + longest[7:-1]]
