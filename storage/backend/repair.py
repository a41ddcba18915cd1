"""Repairs a session from its remaining rows."""

from ..model.maintenance import Finding
from ..model.records import NewSession
from ..operations.profiles import BUILT_IN
from ..operations.sessions import casefolded
from ..operations.unit_of_work import UnitOfWork
from ..sql.ports import Bindings
from ..sql.statements.integrity import COUNT_DIRECTORIES, COUNT_USE, FORGET_USE
from ..sql.statements.profiles import SET_SESSION_PROFILE
from ..values.json_text import MAX_SAFE_INTEGER, raw_text
from .file_check import remove_stray_chunks

RECOVERED = NewSession(profile=BUILT_IN, name="Recovered")


async def repair_session(work: UnitOfWork, finding: Finding) -> str | None:
    """Repair the counts or the rows of a session, or its lost profile; a sentence that says what was done.

    None if the fault is another one. Counts without a session are those of directories.
    """
    if finding.fault == "counts" and not finding.session_id:
        await _count_directories(work)
        return "The counts of the workspace's directories were corrected."
    if finding.fault == "counts":
        await _recount(work, finding.session_id)
        return "Its counts were corrected."
    if finding.fault == "parts":
        await _complete(work, finding.session_id)
        return "It was restored with its remaining data."
    if finding.fault == "file":
        return await remove_stray_chunks(work, finding)
    if finding.fault == "profile" and finding.session_id:
        await _forget_profile(work, finding.session_id)
        return "Its profile is now recorded as unknown."
    return None


async def _count_directories(work: UnitOfWork) -> None:
    for statement in (FORGET_USE, COUNT_USE, COUNT_DIRECTORIES):
        await work.run(statement, {"workspace": work.workspace})


async def _recount(work: UnitOfWork, session_id: str) -> None:
    await work.run(work.statements.RECOUNT, work.key(session_id) | {"most": MAX_SAFE_INTEGER})


async def _forget_profile(work: UnitOfWork, session_id: str) -> None:
    await work.run(SET_SESSION_PROFILE, work.key(session_id) | {"hash": None})
    await _recount(work, session_id)


async def _complete(work: UnitOfWork, session_id: str) -> None:
    key = work.key(session_id)
    if await work.run(work.statements.STATE, key) is None:
        await _restore_session(work, session_id)
    if await work.run(work.statements.CONTEXT, key) is None:
        await work.run(work.statements.SET_CONTEXT, key | {"context": raw_text(RECOVERED.context)})
    await _recount(work, session_id)


async def _restore_session(work: UnitOfWork, session_id: str) -> None:
    key = work.key(session_id)
    opened: Bindings = {
        "name": RECOVERED.name,
        "folded_name": casefolded(RECOVERED.name),
        "profile": BUILT_IN,
        "amplified_dir": RECOVERED.amplified_dir,
        "created_at": work.now,
        # Its detail may still exist.
        "context": None,
        # Its profile is unknown.
        "profile_hash": None,
        "labels": None,
        "archived": False,
        "pinned": False,
    }
    await work.run(work.statements.INSERT_SESSION, key | opened)
    await work.run(work.statements.USE_DIRECTORY, key | opened)
    active: Bindings = {"status": "active", "updated_at": work.now, "ended_at": None, "error_message": None}
    await work.run(work.statements.SET_STATUS, key | active)
    await work.run(work.statements.SET_ERROR_DETAILS, key | {"error_details": None})
