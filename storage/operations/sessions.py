"""Writes of sessions."""

from functools import partial

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ..model.errors import ContextTooLarge, SessionIdInUse, SessionNotFound, SessionStatusConflict, StorageUnavailable
from ..model.modules import InstalledModules
from ..model.part_records import UsageSum
from ..model.records import Failure, NewSession, Session, SessionPatch, SessionStatus, SessionSummary, Versions
from ..sql.ports import Bindings, Row
from ..sql.statements.profiles import SESSION_PROFILE_HASH, SET_SESSION_PROFILE
from ..sql.statements.removals import FORGET_DELETIONS, INSERT_DELETION, IS_REMOVED
from ..sql.statements.sessions import LABELS
from ..values.clock import DAY_SECONDS, after, later_than, nearest_stored
from ..values.json_text import raw_text
from ..values.uuid7 import canonical_id, new_session_id
from .bulk.removal import remove_some
from .directories import normalize_or_not_found
from .labels import check_labels, labels_as_json, labels_from_json, patch_labels
from .patches.object_patch import PatchedObject, patch_or_defer
from .profile_resolution import current_hash, resolve
from .profiles import forget
from .unit_of_work import UnitOfWork

# In characters. A longer one is stored separately from the session's counters, so that an append does not rewrite it.
MAX_OWN_CONTEXT = 256
DELETIONS_KEPT_SECONDS = 7 * DAY_SECONDS

_NO_FAILURE = Failure("")

_decode_summary = msgspec.json.Decoder(SessionSummary).decode


async def create(work: UnitOfWork, new: NewSession, installed: InstalledModules) -> Session:
    """Create a session.

    Raises `LabelsInvalid`, `SessionIdInUse`, `DirectoryNotAmplified`, `ProfileNotFound`, `ProfileInvalid`, and
    `StorageUnavailable` while a session with its id is being deleted or written.
    """
    if new.labels:
        check_labels(new.labels)
    if new.id is not None:
        await _check_id(work, new.id)
    path = normalize_or_not_found(new.amplified_dir)
    context = await resolve(work, new, path, installed)
    session = new_session(new, path, context.profile, work.now)
    bindings = work.key(session.id) | {
        "name": new.name,
        "folded_name": casefolded(new.name),
        "profile": session.profile,
        "amplified_dir": session.amplified_dir,
        "created_at": session.created_at,
        "profile_hash": context.profile_hash,
        "error_details": None,
        "labels": labels_as_json(new.labels),
        "archived": new.archived,
        "pinned": new.pinned,
    }
    bindings |= context_columns(raw_text(new.context))
    insert = work.statements.INSERT_LABELLED_SESSION if new.labels else work.statements.INSERT_SESSION
    await work.run(insert, bindings)
    if bindings["long_context"] is not None:
        await work.run(work.statements.INSERT_DETAIL, bindings)
    await work.run(work.statements.USE_DIRECTORY, bindings)
    return session


def context_columns(context: str, *, is_detailed: bool = False) -> Bindings:
    """The columns of a context: it is stored separately if it is long or `is_detailed` is set, else in the session."""
    is_own = len(context) <= MAX_OWN_CONTEXT and not is_detailed
    return {"context": context if is_own else None, "long_context": None if is_own else context}


async def _check_id(work: UnitOfWork, session_id: str) -> None:
    existing = await work.run(work.statements.SESSION_SUMMARY, work.key(session_id))
    if existing is not None:
        raise SessionIdInUse(_decode_summary(existing[0]))
    if await work.run(IS_REMOVED, work.key(session_id)) is not None:
        raise StorageUnavailable(f"a session with the id {session_id} is being deleted or written", is_busy=True)


def new_session(new: NewSession, path: str, profile: str, now: str) -> Session:
    """A new session in the directory `path`, with a new id and the time `now` unless it has its own."""
    return Session(
        id=new_session_id(now) if new.id is None else canonical_id(new.id),
        status="created",
        profile=profile,
        context=new.context,
        amplified_dir=path,
        created_at=now if new.created_at is None else nearest_stored(new.created_at),
        updated_at=now,
        message_count=0,
        token_usage=0,
        version=1,
        name=UNSET if new.name is None else new.name,
        labels=new.labels or UNSET,
        archived=new.archived or UNSET,
        pinned=new.pinned or UNSET,
    )


async def update(
    work: UnitOfWork,
    session_id: str,
    patch: SessionPatch,
    versions: Versions,
    installed: InstalledModules,
    *,
    prepared: PatchedObject | None = None,
    last: bool = False,
) -> Session | None:
    """Apply a patch. Returns None, without a write, if a large context must be merged first (see `patch_or_defer`).

    Raises `SessionNotFound`, `VersionMismatch`, `ProfileNotFound`, `LabelsInvalid`, `ContextTooLarge`.
    """
    await work.state(session_id, versions)
    if patch == SessionPatch():
        return await read_session(work, session_id)
    profile_hash = await current_hash(work, patch.profile, installed) if isinstance(patch.profile, str) else None
    labels = await _patch_labels(work, session_id, patch)
    placement: Bindings | None = None
    if isinstance(patch.context, Raw):
        before, is_own = await _context(work, session_id)
        context = patch_or_defer(partial(ContextTooLarge, session_id), before, patch.context, prepared, last=last)
        if context is None:
            return None
        placement = context_columns(context, is_detailed=not is_own)
    if profile_hash is not None:
        before_hash = await _profile_hash(work, session_id)
        await work.run(SET_SESSION_PROFILE, work.key(session_id) | {"hash": profile_hash})
        await forget(work, before_hash)
    name = patch.name if isinstance(patch.name, str) else None
    bindings: Bindings = {
        "renamed": patch.name is not UNSET,
        "name": name,
        "folded_name": casefolded(name),
        "profile": patch.profile if isinstance(patch.profile, str) else None,
        "relabelled": labels is not UNSET,
        "labels": labels or None,
        "archived": patch.archived if isinstance(patch.archived, bool) else None,
        "pinned": patch.pinned if isinstance(patch.pinned, bool) else None,
    }
    await work.run(work.statements.UPDATE_SESSION, work.key(session_id) | bindings)
    if placement is not None:
        await _set_context(work, session_id, placement)
    return await read_session(work, session_id)


async def _patch_labels(work: UnitOfWork, session_id: str, patch: SessionPatch) -> str | UnsetType | None:
    """The labels of a session after a patch, as JSON; UNSET if the patch has none."""
    if isinstance(patch.labels, UnsetType):
        return UNSET
    (labels,) = await work.transaction.one(LABELS, work.key(session_id))
    return patch_labels(labels, patch.labels)


async def start(work: UnitOfWork, session_id: str, versions: Versions) -> Session:
    """Make a created session active. Raises `SessionNotFound`, `VersionMismatch`, `SessionStatusConflict`."""
    state = await work.state(session_id, versions)
    if state.status != "created":
        raise SessionStatusConflict(session_id, "start", state.status)
    return await _set_status(work, session_id, "active", max(state.updated_at, work.now))


async def end(
    work: UnitOfWork,
    session_id: str,
    action: str,
    status: SessionStatus,
    versions: Versions,
    failure: Failure = _NO_FAILURE,
) -> Session:
    """Give an active session a final `status`. Raises `SessionNotFound`, `VersionMismatch`, `SessionStatusConflict`."""
    state = await work.state(session_id, versions)
    if state.status != "active":
        raise SessionStatusConflict(session_id, action, state.status)
    return await _set_status(work, session_id, status, max(state.updated_at, work.now), failure)


async def resume(work: UnitOfWork, session_id: str, versions: Versions) -> Session:
    """Make a session active, whatever its status. Raises `SessionNotFound`, `VersionMismatch`."""
    state = await work.state(session_id, versions)
    return await _set_status(work, session_id, "active", later_than(state.updated_at, work.now))


async def delete(work: UnitOfWork, session_id: str, versions: Versions, most: int) -> int:
    """Delete a session and at most `most` of its messages. Returns their number; the others are removed later.

    The deletion is remembered for a week. Raises `SessionNotFound`, `VersionMismatch`.
    """
    await work.state(session_id, versions)
    key = work.key(session_id)
    profile_hash = await _profile_hash(work, session_id)
    await work.run(work.statements.LEAVE_DIRECTORY, key)
    await work.run(work.statements.DELETE_SESSION, key)
    await forget(work, profile_hash)
    await work.run(INSERT_DELETION, key)
    await work.run(FORGET_DELETIONS, key | {"horizon": after(work.now, -DELETIONS_KEPT_SECONDS)})
    return await remove_some(work.transaction, work.statements, key, most)


def session_of(session_id: str, row: Row | None) -> Session:
    """The session in a row of `SESSION`. Raises `SessionNotFound` if there is no row."""
    if row is None:
        raise SessionNotFound(session_id)
    identity, status, profile, context, amplified_dir, created_at, updated_at, message_count, token_usage, *rest = row
    version, name, started_at, ended_at, error_message, error_details, parent_session_id, *rest = rest
    forked_at_sequence, labels, archived, pinned, *usage = rest
    return Session(
        identity,
        status,
        profile,
        Raw(context),
        amplified_dir,
        created_at,
        updated_at,
        message_count,
        token_usage,
        version,
        UNSET if name is None else name,
        UNSET if started_at is None else started_at,
        UNSET if ended_at is None else ended_at,
        UNSET if error_message is None else msgspec.json.decode(error_message),
        UNSET if error_details is None else Raw(error_details),
        UNSET if parent_session_id is None else parent_session_id,
        UNSET if forked_at_sequence is None else forked_at_sequence,
        UNSET if usage[0] is None else UsageSum(*usage).usage,
        UNSET if labels is None else labels_from_json(labels),
        bool(archived) or UNSET,
        bool(pinned) or UNSET,
    )


async def _profile_hash(work: UnitOfWork, session_id: str) -> str | None:
    """The hash of the profile content that a session keeps; None if it is unknown."""
    row = await work.run(SESSION_PROFILE_HASH, work.key(session_id))
    return None if row is None else row[0]


async def _context(work: UnitOfWork, session_id: str) -> tuple[str, bool]:
    """A session's context, and whether it is stored with the session."""
    row = await work.run(work.statements.CONTEXT, work.key(session_id))
    if row is None:
        raise SessionNotFound(session_id)
    return row[0], bool(row[1])


async def _set_context(work: UnitOfWork, session_id: str, context: Bindings) -> None:
    bindings = work.key(session_id) | context
    if bindings["long_context"] is None:
        await work.run(work.statements.SET_CONTEXT, bindings)
    else:
        await _begin_detail(work, session_id)
        await work.run(work.statements.SET_LONG_CONTEXT, bindings)


async def _begin_detail(work: UnitOfWork, session_id: str) -> None:
    """Move a session's context from the session to its details."""
    await work.run(work.statements.BEGIN_DETAIL, work.key(session_id))
    await work.run(work.statements.SET_CONTEXT, work.key(session_id) | {"context": None})


async def _set_status(
    work: UnitOfWork, session_id: str, status: SessionStatus, updated_at: str, failure: Failure = _NO_FAILURE
) -> Session:
    details = failure.error_details
    bindings: Bindings = {
        "status": status,
        "updated_at": updated_at,
        "ended_at": None if status == "active" else updated_at,
        "error_message": msgspec.json.encode(failure.error_message).decode() if failure.error_message else None,
        "error_details": raw_text(details) if isinstance(details, Raw) else None,
    }
    await work.run(work.statements.SET_STATUS, work.key(session_id) | bindings)
    if bindings["error_details"] is not None:
        await _begin_detail(work, session_id)
    await work.run(work.statements.SET_ERROR_DETAILS, work.key(session_id) | bindings)
    return await read_session(work, session_id)


async def read_session(work: UnitOfWork, session_id: str) -> Session:
    """A session in the state that the transaction sees. Raises `SessionNotFound`."""
    return session_of(session_id, await work.run(work.statements.SESSION, work.key(session_id)))


def casefolded(name: str | None) -> str | None:
    """A name in the form that is compared without regard to case."""
    return None if name is None else name.casefold()
