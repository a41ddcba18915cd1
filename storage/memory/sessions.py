"""Creates, lists, patches and forks sessions, and changes their statuses."""

from functools import partial
from typing import Any

from msgspec import UNSET, Raw
from msgspec.structs import replace

from ..model.directory_path import ROOT
from ..model.errors import (
    ContextTooLarge,
    DirectoryNotAmplified,
    SessionIdInUse,
    SessionProfileUnknown,
    SessionStatusConflict,
    TooFewMessages,
)
from ..model.interface import CheckSession, Storage
from ..model.modules import InstalledModules
from ..model.profile_records import ProfilePatch, ProfileSettings
from ..model.queries import SessionQuery
from ..model.records import (
    Failure,
    Fork,
    IdempotentRequest,
    Lineage,
    Listing,
    NewSession,
    Progressed,
    Session,
    SessionPatch,
    SessionStatus,
    SessionSummary,
    Versions,
    no_progress,
)
from ..operations import profiles as profile_operations
from ..operations import sessions
from ..operations.directories import normalize_or_not_found
from ..operations.labels import check_labels
from ..operations.messages import tokens_of, usage_of
from ..operations.patches.object_patch import patch_object
from ..sql.pages import MAX_RELATIVES, RELATIVES_BYTES
from ..sql.ports import take_until_size
from ..values.clock import later_than
from ..values.json_text import MAX_SAFE_INTEGER, raw_text
from ..values.uuid7 import canonical_id
from .access import MemoryAccess, Work, encode
from .contents import Conversation, Workspace
from .directories import default_profile_of
from .modules.mount_plans import sources_of
from .profiles import profile_of, settings_of
from .session_lists import list_sessions, ordered


class MemorySessions(MemoryAccess, Storage):
    """Implements the operations on sessions, except their deletion."""

    async def create_session(
        self, workspace: str, new: NewSession, *, once: IdempotentRequest | None = None, check: CheckSession = None
    ) -> Session:
        if check is not None:
            await self._check_not_applied(workspace, once)
            await check()
        return await self._write(workspace, once, partial(_create, new=new, installed=self._options.installed))

    async def get_session(self, workspace: str, session_id: str) -> Session:
        return (await self._workspace(workspace)).find(session_id).session

    async def list_sessions(self, workspace: str, query: SessionQuery) -> Listing:
        return list_sessions((await self._workspace(workspace)).conversations.values(), query)

    async def count_sessions(self, workspace: str) -> int:
        return len((await self._workspace(workspace)).conversations)

    async def update_session(
        self, workspace: str, session_id: str, patch: SessionPatch, *, versions: Versions = None
    ) -> Session:
        update = partial(_update, session_id=session_id, patch=patch, versions=versions)
        return await self._write(workspace, None, partial(update, installed=self._options.installed))

    async def start_session(
        self, workspace: str, session_id: str, *, versions: Versions = None, once: IdempotentRequest | None = None
    ) -> Session:
        def start(work: Work) -> Session:
            conversation = work.workspace.take(session_id, versions)
            if conversation.session.status != "created":
                raise SessionStatusConflict(session_id, "start", conversation.session.status)
            return _set_status(work, conversation, "active", max(conversation.session.updated_at, work.now))

        return await self._write(workspace, once, start)

    async def complete_session(
        self, workspace: str, session_id: str, *, versions: Versions = None, once: IdempotentRequest | None = None
    ) -> Session:
        end = partial(_end, session_id=session_id, action="complete", status="completed", versions=versions)
        return await self._write(workspace, once, end)

    async def fail_session(
        self,
        workspace: str,
        session_id: str,
        failure: Failure,
        *,
        versions: Versions = None,
        once: IdempotentRequest | None = None,
    ) -> Session:
        end = partial(_end, session_id=session_id, action="fail", status="failed", versions=versions, failure=failure)
        return await self._write(workspace, once, end)

    async def terminate_session(
        self, workspace: str, session_id: str, *, versions: Versions = None, once: IdempotentRequest | None = None
    ) -> Session:
        end = partial(_end, session_id=session_id, action="terminate", status="terminated", versions=versions)
        return await self._write(workspace, once, end)

    async def resume_session(
        self, workspace: str, session_id: str, *, versions: Versions = None, once: IdempotentRequest | None = None
    ) -> Session:
        def resume(work: Work) -> Session:
            conversation = work.workspace.take(session_id, versions)
            return _set_status(work, conversation, "active", later_than(conversation.session.updated_at, work.now))

        return await self._write(workspace, once, resume)

    async def fork_session(
        self,
        workspace: str,
        session_id: str,
        fork: Fork,
        *,
        versions: Versions = None,
        once: IdempotentRequest | None = None,
        progressed: Progressed = no_progress,
    ) -> Session:
        forked = await self._write(workspace, once, partial(_fork, session_id=session_id, fork=fork, versions=versions))
        progressed()
        return forked

    async def lineage(self, workspace: str, session_id: str) -> Lineage:
        stored = await self._workspace(workspace)
        session = stored.find(session_id).session
        children = ordered(
            (each for each in stored.conversations.values() if each.session.parent_session_id == session.id),
            "created_at",
        )
        summaries = [each.summary for each in children[:MAX_RELATIVES]]
        return Lineage(session.id, _until_full(_ancestors(stored, session)), _until_full(summaries))

    async def session_profile(self, workspace: str, session_id: str) -> ProfileSettings:
        conversation = (await self._workspace(workspace)).find(session_id)
        name = conversation.session.profile
        if conversation.profile is None and name != profile_operations.BUILT_IN:
            raise SessionProfileUnknown(session_id, name)
        return conversation.profile or profile_operations.settings_in(profile_operations.BUILT_IN_CONTENT)


def _create(work: Work, new: NewSession, installed: InstalledModules) -> Session:
    check_labels(new.labels)
    existing = None if new.id is None else work.workspace.conversations.get(canonical_id(new.id))
    if existing is not None:
        raise SessionIdInUse(existing.summary)
    name, settings = _profile(work.workspace, new)
    path = normalize_or_not_found(new.amplified_dir)
    session = sessions.new_session(replace(new, id=new.id or work.new_session_id), path, name, work.now)
    plan_sources = sources_of(work.workspace, name, settings, installed)
    conversation = Conversation(session, settings, work.revision, work.revision, 1, 0)
    conversation.mounted, conversation.texts = plan_sources.mounted, plan_sources.texts
    add(work, conversation)
    return session


def add(work: Work, conversation: Conversation) -> None:
    """Add a session to the workspace, and record the use of its directory."""
    session = conversation.session
    work.workspace.conversations[session.id] = conversation
    last_used = work.workspace.last_used
    last_used[session.amplified_dir] = max(last_used.get(session.amplified_dir, ""), session.created_at)


def _profile(workspace: Workspace, new: NewSession) -> tuple[str, ProfileSettings]:
    """The name and the settings of the profile of a new session."""
    path = normalize_or_not_found(new.amplified_dir)
    if path != ROOT and path not in workspace.directories:
        raise DirectoryNotAmplified(path)
    _, inherited = default_profile_of(workspace, path)
    name = new.profile or inherited or workspace.active or profile_operations.BUILT_IN
    settings = settings_of(workspace, name)
    if isinstance(new.settings_overrides, ProfilePatch):
        settings = profile_operations.patch_settings(profile_of(workspace, name), new.settings_overrides)
    return name, settings


def _update(
    work: Work, session_id: str, patch: SessionPatch, versions: Versions, installed: InstalledModules
) -> Session:
    conversation = work.workspace.take(session_id, versions)
    session = conversation.session
    if patch == SessionPatch():
        return session
    changes: dict[str, Any] = {}
    profile, plan_sources = conversation.profile, None
    if isinstance(patch.profile, str):
        profile = settings_of(work.workspace, patch.profile)
        plan_sources = sources_of(work.workspace, patch.profile, profile, installed)
        changes["profile"] = patch.profile
    if isinstance(patch.labels, dict):
        labels: dict[str, str | None] = {**(session.labels or {}), **patch.labels}
        merged = {key: value for key, value in labels.items() if value is not None}
        check_labels(merged)
        changes["labels"] = merged or UNSET
    if isinstance(patch.context, Raw):
        patched = patch_object(partial(ContextTooLarge, session_id), raw_text(session.context), patch.context)
        changes["context"] = Raw(patched.after.encode())
    if patch.name is not UNSET:
        changes["name"] = UNSET if patch.name is None else patch.name
    if patch.archived is not UNSET:
        changes["archived"] = patch.archived or UNSET
    if patch.pinned is not UNSET:
        changes["pinned"] = patch.pinned or UNSET
    conversation.profile = profile
    if plan_sources is not None:
        conversation.mounted, conversation.texts = plan_sources.mounted, plan_sources.texts
    return _change(work, conversation, max(session.updated_at, work.now), **changes)


def _end(
    work: Work,
    session_id: str,
    action: str,
    status: SessionStatus,
    versions: Versions,
    failure: Failure | None = None,
) -> Session:
    conversation = work.workspace.take(session_id, versions)
    if conversation.session.status != "active":
        raise SessionStatusConflict(session_id, action, conversation.session.status)
    return _set_status(work, conversation, status, max(conversation.session.updated_at, work.now), failure)


def _set_status(
    work: Work, conversation: Conversation, status: SessionStatus, moment: str, failure: Failure | None = None
) -> Session:
    return _change(
        work,
        conversation,
        moment,
        status=status,
        started_at=conversation.session.started_at or moment,
        ended_at=UNSET if status == "active" else moment,
        error_message=failure.error_message or UNSET if failure else UNSET,
        error_details=failure.error_details if failure else UNSET,
    )


def _change(work: Work, conversation: Conversation, moment: str, **changes: Any) -> Session:
    """Change fields of a session other than its transcript. Returns the session."""
    session = conversation.session
    session = replace(session, updated_at=moment, version=session.version + 1, **changes)
    conversation.session = session
    conversation.written = work.revision
    conversation.changed_version, conversation.changed_sequence = session.version, session.message_count
    return session


def _fork(work: Work, session_id: str, fork: Fork, versions: Versions) -> Session:
    parent = work.workspace.take(session_id, versions)
    count = parent.session.message_count
    last = count if fork.at_sequence is None else fork.at_sequence
    if last > count:
        raise TooFewMessages(session_id, last, count)
    messages = parent.messages[:last]
    usage = usage_of(messages)
    session = Session(
        id=work.new_session_id,
        status="active" if messages else "created",
        profile=parent.session.profile,
        context=parent.session.context,
        amplified_dir=parent.session.amplified_dir,
        created_at=work.now,
        updated_at=max(parent.session.updated_at, work.now),
        message_count=last,
        token_usage=min(tokens_of(messages), MAX_SAFE_INTEGER),
        version=1,
        name=parent.session.name if fork.name is None else fork.name,
        started_at=work.now if messages else UNSET,
        parent_session_id=parent.session.id,
        forked_at_sequence=last,
        usage=UNSET if usage is None else usage.usage,
        labels=parent.session.labels,
    )
    conversation = Conversation(session, parent.profile, work.revision, work.revision, 1, last, messages, usage)
    conversation.mounted, conversation.texts = parent.mounted, parent.texts
    add(work, conversation)
    return session


def _until_full(relatives: list[SessionSummary]) -> list[SessionSummary]:
    """The first relatives, up to the one that reaches the limit of bytes."""
    encoded = [(summary, encode(summary)) for summary in relatives]
    return [summary for summary, _ in take_until_size(encoded, RELATIVES_BYTES, lambda each: len(each[1]))]


def _ancestors(workspace: Workspace, session: Session) -> list[SessionSummary]:
    """The ancestors of a session, its parent first, up to the first repetition; imports may form a cycle."""
    found: dict[str, SessionSummary] = {}
    parent_id = session.parent_session_id
    while isinstance(parent_id, str) and parent_id not in {session.id, *found} and len(found) < MAX_RELATIVES:
        parent = workspace.conversations.get(parent_id)
        if parent is None:
            break
        found[parent_id] = parent.summary
        parent_id = parent.session.parent_session_id
    return [*found.values()]
