"""Mount plans: what a session runs with, so that a runtime can mount it."""

from typing import Protocol

import msgspec
from msgspec import UNSET, Raw

from ..storage.model.interface import Storage
from ..storage.model.modules import (
    AgentOverlays,
    NewMountPlan,
    PlanForm,
    PlanSession,
    PlanSources,
)
from ..storage.model.profile_records import ProfilePatch

_encode = msgspec.json.Encoder().encode


class Plans(Protocol):
    """Makes mount plans."""

    async def check_sources(self, storage: Storage, workspace: str, sources: PlanSources) -> None:
        """Check the configurations of modules in the profile of a plan."""

    async def plan(self, sources: PlanSources, session: PlanSession, overlay: AgentOverlays, form: PlanForm) -> Raw:
        """The plan of a session, in a form, as JSON."""


async def generate_mount_plan(
    body: NewMountPlan, form: PlanForm, *, storage: Storage, catalog: Plans, workspace: str
) -> Raw:
    """The plan that a session would have, as JSON; nothing is stored."""
    overrides = body.settings_overrides
    directory = await storage.get_directory(workspace, body.amplified_dir)
    sources = await storage.profile_plan(workspace, body.profile_id, overrides)
    if isinstance(overrides, ProfilePatch):
        await catalog.check_sources(storage, workspace, sources)
    session = PlanSession(
        profile_id=body.profile_id,
        profile_version=sources.profile.version,
        session_id=body.session_id,
        parent_session_id=body.parent_session_id,
        amplified_dir=directory.relative_path,
        settings=Raw(_encode(overrides)) if isinstance(overrides, ProfilePatch) else UNSET,
    )
    return await catalog.plan(sources, session, body.agent_overlay, form)


async def get_session_mount_plan(
    session_id: str, form: PlanForm, *, storage: Storage, catalog: Plans, workspace: str
) -> Raw:
    """The plan of a session as JSON, made from its profile as it was when the session got it."""
    stored = await storage.get_session(workspace, session_id)
    sources = await storage.session_plan(workspace, session_id)
    session = PlanSession(
        profile_id=stored.profile,
        profile_version=sources.profile.version,
        session_id=stored.id,
        parent_session_id=stored.parent_session_id,
        amplified_dir=stored.amplified_dir,
        created_at=stored.created_at,
    )
    return await catalog.plan(sources, session, {}, form)
