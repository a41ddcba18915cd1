"""What is written of sessions."""

import msgspec
from msgspec import UNSET, Raw

from ..clock import DAY_SECONDS, after, later_than
from ..errors import ContextTooLarge, SessionNotFound, SessionStatusConflict, TooFewMessages
from ..identity import new_session_id
from ..interface import Versions
from ..records import Failure, Fork, NewSession, Session, SessionPatch, SessionStatus
from ..sums import MOST
from . import statements
from .change import Bindings, Change
from .readers import Row

MOST_MEMBERS = 1_024
MOST_CONTEXT_BYTES = 8 * 1024 * 1024
DELETIONS_KEPT_SECONDS = 7 * DAY_SECONDS

_NO_FAILURE = Failure("")


def create(change: Change, new: NewSession) -> Session:
    """Open a session."""
    session_id = new_session_id(change.now)
    bindings = change.key(session_id) | {
        "name": new.name,
        "folded_name": folded(new.name),
        "profile": new.profile,
        "amplified_dir": new.amplified_dir,
        "context": text(new.context),
    }
    change.run(statements.INSERT_SESSION, bindings)
    change.run(statements.INSERT_DETAIL, bindings)
    return Session(
        id=session_id,
        status="created",
        profile=new.profile,
        context=new.context,
        amplified_dir=new.amplified_dir,
        created_at=change.now,
        updated_at=change.now,
        message_count=0,
        token_usage=0,
        version=1,
        name=new.name or UNSET,
    )


def update(change: Change, session_id: str, patch: SessionPatch, versions: Versions) -> Session:
    """Change what the patch names."""
    change.state(session_id, versions)
    if patch == SessionPatch():
        return _read(change, session_id)
    if isinstance(patch.context, Raw):
        _merge_context(change, session_id, patch.context)
    name = patch.name if isinstance(patch.name, str) else None
    bindings: Bindings = {
        "renamed": int(patch.name is not UNSET),
        "name": name,
        "folded_name": folded(name),
        "profile": patch.profile if isinstance(patch.profile, str) else None,
    }
    change.run(statements.UPDATE_SESSION, change.key(session_id) | bindings)
    return _read(change, session_id)


def start(change: Change, session_id: str, versions: Versions) -> Session:
    """Make a created session active."""
    state = change.state(session_id, versions)
    if state.status != "created":
        raise SessionStatusConflict(session_id, "start", state.status)
    return _set_status(change, session_id, "active", max(state.updated_at, change.now))


def end(
    change: Change,
    session_id: str,
    action: str,
    status: SessionStatus,
    versions: Versions,
    failure: Failure = _NO_FAILURE,
) -> Session:
    """End an active session."""
    state = change.state(session_id, versions)
    if state.status != "active":
        raise SessionStatusConflict(session_id, action, state.status)
    return _set_status(change, session_id, status, max(state.updated_at, change.now), failure)


def resume(change: Change, session_id: str, versions: Versions) -> Session:
    """Make a session active, whatever it is."""
    state = change.state(session_id, versions)
    return _set_status(change, session_id, "active", later_than(state.updated_at, change.now))


def fork(change: Change, session_id: str, how: Fork) -> Session:
    """Open a copy of a session."""
    state = change.state(session_id, None)
    last = state.message_count if how.at_sequence is None else how.at_sequence
    if last > state.message_count:
        raise TooFewMessages(session_id, last, state.message_count)
    fork_id = new_session_id(change.now)
    bindings = change.key(session_id) | {
        "fork_id": fork_id,
        "name": how.name,
        "folded_name": folded(how.name),
        "last": last,
        "most": MOST,
    }
    change.run(statements.FORK_SESSION, bindings)
    change.run(statements.FORK_DETAIL, bindings)
    change.run(statements.FORK_MESSAGES, bindings)
    return _read(change, fork_id)


def delete(change: Change, session_id: str, versions: Versions) -> None:
    """Delete a session; that it was there is remembered for a week."""
    change.state(session_id, versions)
    key = change.key(session_id)
    change.run(statements.DELETE_SESSION, key)
    change.run(statements.INSERT_DELETION, key)
    change.run(statements.FORGET_DELETIONS, key | {"horizon": after(change.now, -DELETIONS_KEPT_SECONDS)})


def session_of(session_id: str, row: Row | None) -> Session:
    """The session that `statements.SESSION` found. Raises `SessionNotFound`."""
    if row is None:
        raise SessionNotFound(session_id)
    identity, status, profile, context, amplified_dir, *rest = row
    created_at, updated_at, message_count, token_usage, version, name, *rest = rest
    started_at, ended_at, error_message, error_details, parent_session_id, forked_at_sequence = rest
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
    )


def text(value: Raw) -> str:
    """A JSON value as the database holds it."""
    return bytes(value).decode()


def _merge_context(change: Change, session_id: str, patch: Raw) -> None:
    row = change.run(statements.MERGE_CONTEXT, change.key(session_id) | {"patch": text(patch)})
    if row is None:
        raise SessionNotFound(session_id)
    size, members = row
    if size > MOST_CONTEXT_BYTES:
        raise ContextTooLarge(session_id, f"{size} bytes; the most is {MOST_CONTEXT_BYTES}")
    if members > MOST_MEMBERS:
        raise ContextTooLarge(session_id, f"{members} members; the most is {MOST_MEMBERS}")


def _set_status(
    change: Change, session_id: str, status: SessionStatus, updated_at: str, failure: Failure = _NO_FAILURE
) -> Session:
    details = failure.error_details
    bindings: Bindings = {
        "status": status,
        "updated_at": updated_at,
        "ended_at": None if status == "active" else updated_at,
        "error_message": msgspec.json.encode(failure.error_message).decode() if failure.error_message else None,
        "error_details": text(details) if isinstance(details, Raw) else None,
    }
    change.run(statements.SET_STATUS, change.key(session_id) | bindings)
    change.run(statements.SET_ERROR_DETAILS, change.key(session_id) | bindings)
    return _read(change, session_id)


def _read(change: Change, session_id: str) -> Session:
    return session_of(session_id, change.run(statements.SESSION, change.key(session_id)))


def folded(name: str | None) -> str | None:
    """A name without upper and lower case."""
    return None if name is None else name.casefold()
