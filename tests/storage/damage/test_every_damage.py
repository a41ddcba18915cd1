"""Every table, with one damage at a time: a check reports it, or EXCEPTIONS says why it cannot.

A row is deleted, two rows exchange their keys, and each column of a row gets the value of another row. Each text is
replaced with invalid JSON; on SQLite also with invalid UTF-8. A table or column that a migration adds is tested too.
"""

from amplifierd.storage import open_maintenance, open_storage
from amplifierd.storage.model.database_errors import DatabaseUnusable
from faults.any_database import REFUSED, any_database
from faults.damages import damaged, damages, fill

ALONE = "It is stored only once: nothing can be compared with it."
PASSING = "It belongs to a request, for a day: without it, a request that is sent again takes effect again."
FOLLOWED = "Clients that follow the sessions are told about it; it is deleted after a week."
POSITION = "A position in the writes: if it is wrong, work is done again, or clients read again."

SKIPPED = "A count of writes that is too high skips numbers."

# The damages that no check can find, with the reason.
EXCEPTIONS = {
    "active_profile deleted": "A workspace may have none.",
    "active_profile.name": ALONE,
    "active_profile.workspace": "A workspace may have none.",
    "api_key deleted": ALONE,
    "api_key swapped": ALONE,
    "api_key.created_at": ALONE,
    "api_key.digest": ALONE,
    "api_key.id": ALONE,
    "api_key.name": ALONE,
    "api_key.scope": ALONE,
    "api_key.workspace": ALONE,
    "collection.name": ALONE,
    "deletion deleted": FOLLOWED,
    "deletion swapped": FOLLOWED,
    "deletion.deleted_at": FOLLOWED,
    "deletion.session_id": FOLLOWED,
    "deletion.workspace": FOLLOWED,
    "directory.created_at": ALONE,
    "directory.default_profile": ALONE,
    "directory.metadata": ALONE,
    "directory.updated_at": ALONE,
    "directory_use swapped": "The counts may be the same.",
    "directory_use.last_used_at": "A deleted session may have been the last that used it.",
    "embedding_model deleted": "The next daemon with an embedder writes it.",
    "embedding_model.holder": "A lease, which ends.",
    "embedding_model.model": "The next daemon with an embedder compares it with its own.",
    "file.created_at": ALONE,
    "file.media": ALONE,
    "idempotency deleted": PASSING,
    "idempotency swapped": PASSING,
    "idempotency.answer": PASSING,
    "idempotency.expires_at": PASSING,
    "idempotency.fingerprint": PASSING,
    "idempotency.key": PASSING,
    "idempotency.session_id": PASSING,
    "idempotency.workspace": PASSING,
    "message.usage": "It is added up when the session is forked: then the check finds that the sums are wrong.",
    "message_row.role": ALONE,
    "message_row.timestamp": ALONE,
    "module.type": ALONE,
    "module_source deleted": ALONE,
    "module_source swapped": ALONE,
    "module_source.module": ALONE,
    "module_source.scope": ALONE,
    "module_source.source": ALONE,
    "module_source.workspace": ALONE,
    "profile.installed": "It is compared with what is installed when the profile is read.",
    "profile.stale": "A profile that is not stale is at most examined again.",
    "search_pipeline deleted": "The next daemon writes the index again.",
    "search_pipeline.session_id": "The next daemon writes the index again.",
    "search_pipeline.workspace": "The next daemon writes the index again.",
    "search_progress deleted": "The next search looks at all sessions again.",
    "session.changed_sequence": POSITION,
    "session.changed_version": POSITION,
    "session.context": ALONE,
    "session.correction_count": "A session that was not corrected since the counts exist has none.",
    "session.created_at": ALONE,
    "session.created_revision": POSITION,
    "session.ended_at": ALONE,
    "session.error_message": ALONE,
    "session.forked_at_sequence": ALONE,
    "session.parent_session_id": "A parent may be deleted before its fork.",
    "session.profile": "An imported session may name a missing profile.",
    "session.profile_hash": "A session keeps the content that its profile had, which may have changed since.",
    "session.revision": POSITION,
    "session.started_at": ALONE,
    "session.status": ALONE,
    "session.version": POSITION,
    "session_detail swapped": ALONE,
    "session_detail.context": ALONE,
    "session_detail.error_details": ALONE,
    "workspace swapped": SKIPPED,
    "workspace.revision": SKIPPED,
}
# The tables of the search index: the check compares it as a whole (see tests/storage/damage/test_check.py).
INDEX_OF_WORDS = ("search_config", "search_data", "search_docsize", "search_idx", "search_content")


async def test_check_reports_each_damage(database: str) -> None:
    async with open_storage(database) as storage:
        for workspace in ("default", "other"):
            await fill(storage, workspace)
    maintenance = open_maintenance(database)
    assert [finding async for finding in maintenance.check()] == []
    unnoticed = set()
    opened = await any_database(database)
    tables = [table for table in await opened.tables() if table not in INDEX_OF_WORDS]
    for table in tables:
        async for damage in damages(opened, table):
            try:
                async with damaged(opened, table, damage):
                    if not [finding async for finding in maintenance.check()]:
                        unnoticed.add(damage.name)
            except (*REFUSED, DatabaseUnusable):
                # The database refuses the change, or cannot be opened after it.
                continue
    await opened.close()
    assert [finding async for finding in maintenance.check()] == []
    assert unnoticed - EXCEPTIONS.keys() == set()
