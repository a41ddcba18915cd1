"""Texts of profiles are deleted with the last profile and session that have them."""

from amplifierd.storage import open_maintenance
from amplifierd.storage.backend.storage import TransactionalStorage
from amplifierd.storage.model.interface import Storage
from amplifierd.testing.storage.workspaces.test_mount_plans import W, add, content, opened


async def counts(storage: Storage) -> list[int]:
    """The numbers of rows of texts, contents of profiles, and modules."""
    assert isinstance(storage, TransactionalStorage)
    statements = [f"SELECT COUNT(*) FROM {table}" for table in ("profile_text", "profile_content", "module")]  # noqa: S608
    return [(await storage._rows.one(statement, {}))[0] for statement in statements]  # noqa: SLF001  # nobody shows it


async def test_deletion_removes_texts(storage: Storage, database: str) -> None:
    await add(storage, content(texts={"agents/zen.md": "1"}))
    session = await opened(storage)
    await storage.replace_collection(W, content("2.0.0", {"agents/zen.md": "2"}))
    later = await opened(storage)
    assert await counts(storage) == [2, 2, 1]
    await storage.delete_session(W, session)
    assert await counts(storage) == [1, 1, 1]
    assert [finding async for finding in open_maintenance(database).check()] == []
    await storage.delete_collection(W, "foundation")
    assert (await storage.session_plan(W, later)).texts == {"agents/zen.md": "2"}
    await storage.delete_session(W, later)
    assert await counts(storage) == [0, 0, 0]
    assert [finding async for finding in open_maintenance(database).check()] == []
