"""Putting right what is wrong with a session, from what is left of it."""

from ..model.maintenance import Finding
from ..model.records import NewSession
from ..operations.profiles import BUILT_IN
from ..operations.sessions import casefolded
from ..operations.unit_of_work import UnitOfWork
from ..sql.ports import Bindings
from ..sql.statements.integrity import COUNT_DIRECTORIES, COUNT_USE, FORGET_USE, RECOUNT
from ..sql.statements.profiles import SET_SESSION_PROFILE
from ..values.json_text import MAX_SAFE_INTEGER, raw_text

RECOVERED = NewSession(profile=BUILT_IN, name="Recovered")


async def repair_session(change: UnitOfWork, finding: Finding) -> str | None:
    """Put right the counts or the parts of a session, or forget what it has lost of its profile, and say so.

    None where it is something else that is wrong.

    Counts that are no session's are those of directories.
    """
    if finding.fault == "counts" and not finding.session_id:
        await _count_directories(change)
        return "The directories of the workspace count the sessions that are there."
    if finding.fault == "counts":
        await _recount(change, finding.session_id)
        return "It counts the messages that are there."
    if finding.fault == "parts":
        await _complete(change, finding.session_id)
        return "It is a session again, with what is left of it."
    if finding.fault == "profile" and finding.session_id:
        await _forget_profile(change, finding.session_id)
        return "What its profile was is not known any more."
    return None


async def _count_directories(change: UnitOfWork) -> None:
    for statement in (FORGET_USE, COUNT_USE, COUNT_DIRECTORIES):
        await change.run(statement, {"workspace": change.workspace})


async def _recount(change: UnitOfWork, session_id: str) -> None:
    await change.run(RECOUNT, change.key(session_id) | {"most": MAX_SAFE_INTEGER})


async def _forget_profile(change: UnitOfWork, session_id: str) -> None:
    await change.run(SET_SESSION_PROFILE, change.key(session_id) | {"hash": None})
    await _recount(change, session_id)


async def _complete(change: UnitOfWork, session_id: str) -> None:
    key = change.key(session_id)
    if await change.run(change.statements.STATE, key) is None:
        await _bring_back(change, session_id)
    if await change.run(change.statements.CONTEXT, key) is None:
        await change.run(change.statements.SET_CONTEXT, key | {"context": raw_text(RECOVERED.context)})
    await _recount(change, session_id)


async def _bring_back(change: UnitOfWork, session_id: str) -> None:
    key = change.key(session_id)
    opened: Bindings = {
        "name": RECOVERED.name,
        "folded_name": casefolded(RECOVERED.name),
        "profile": BUILT_IN,
        "amplified_dir": RECOVERED.amplified_dir,
        "created_at": change.now,
        # It may be there still.
        "context": None,
        # What its profile was is not known.
        "profile_hash": None,
    }
    await change.run(change.statements.INSERT_SESSION, key | opened)
    await change.run(change.statements.USE_DIRECTORY, key | opened)
    active: Bindings = {"status": "active", "updated_at": change.now, "ended_at": None, "error_message": None}
    await change.run(change.statements.SET_STATUS, key | active)
    await change.run(change.statements.SET_ERROR_DETAILS, key | {"error_details": None})
