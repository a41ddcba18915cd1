"""The stored data of mount plans of profiles and sessions."""

from collections.abc import Mapping

import pytest
from msgspec import UNSET, Raw

from amplifierd.storage import open_storage
from amplifierd.storage.model.collections import CollectionContent
from amplifierd.storage.model.errors import ImportInvalid, ProfileInvalid, ProfileNotFound, SessionNotFound
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.modules import InstalledModules, Module, NewModuleSource, PlanSources
from amplifierd.storage.model.profile_records import (
    ExportPlan,
    ModuleConfig,
    NewProfile,
    ProfileOrigin,
    ProfilePatch,
    ReferenceTargets,
)
from amplifierd.storage.model.records import ExportLine, Fork, NewMessage, NewSession, Session, SessionPatch
from amplifierd.testing.storage.exports import export_of, exported

W = "default"
TOOLS = [ModuleConfig("bash"), ModuleConfig("other/tool/x"), ModuleConfig("gone")]


def module(module_id: str, version: str = "1.0.0") -> Module:
    return Module(id=module_id, type="tool", name="tool-x", version=version, location=f"file:///{module_id}")


def content(
    version: str = "1.0.0", texts: Mapping[str, str] | None = None, *, identifier: str = "foundation"
) -> CollectionContent:
    name = "x" if identifier == "other" else "bash"
    return CollectionContent(
        identifier=identifier,
        source="/x",
        kind="folder",
        commit=None,
        profiles=[NewProfile("base", tools=TOOLS, agents={"zen": "agents/zen.md"})],
        agents=[],
        context=[],
        modules=[module(f"{identifier}/tool/{name}", version)],
        problems=[],
        texts={"base": {"agents/zen.md": "Be calm."} if texts is None else texts},
    )


async def add(storage: Storage, new: CollectionContent) -> None:
    async def read() -> CollectionContent:
        return new

    await storage.create_collection(W, new.identifier, read)


async def opened(storage: Storage, profile: str = "foundation/base") -> str:
    return (await storage.create_session(W, NewSession(profile=profile))).id


def versions(sources: PlanSources) -> dict[str, str]:
    return {key: module.version for key, module in sources.mounted.modules.items()}


async def test_plan_of_a_profile_equals_a_session_plan(storage: Storage, other: Storage) -> None:
    await add(storage, content())
    await add(storage, content("3.0.0", identifier="other"))
    plan = await other.profile_plan(W, "foundation/base")
    assert versions(plan) == {"tool/bash": "1.0.0", "tool/other/tool/x": "3.0.0"}
    assert (plan.mounted.collection, plan.texts) == ("foundation", {"agents/zen.md": "Be calm."})
    assert await storage.session_plan(W, await opened(storage)) == plan
    overrides = ProfilePatch(tools=Raw(b'[{"module":"other/tool/x"}]'))
    assert versions(await storage.profile_plan(W, "foundation/base", overrides)) == {"tool/other/tool/x": "3.0.0"}
    session = await storage.create_session(W, NewSession(profile="foundation/base", settings_overrides=overrides))
    overridden = await storage.session_plan(W, session.id)
    assert (versions(overridden), overridden.texts) == ({"tool/other/tool/x": "3.0.0"}, plan.texts)
    with pytest.raises(ProfileInvalid):
        await storage.profile_plan(W, "foundation/base", ProfilePatch(session=Raw(b'{"orchestrator":{}}')))
    with pytest.raises(ProfileNotFound):
        await storage.profile_plan(W, "nobody")
    with pytest.raises(SessionNotFound):
        await storage.session_plan(W, "nobody")


async def test_sync_changes_later_sessions_only(storage: Storage) -> None:
    await add(storage, content())
    before = await opened(storage)
    await storage.replace_collection(W, content("2.0.0", {"agents/zen.md": "Be brisk."}))
    after = await opened(storage)
    await storage.delete_collection(W, "foundation")
    old, new = [await storage.session_plan(W, each) for each in (before, after)]
    assert (versions(old), old.texts) == ({"tool/bash": "1.0.0"}, {"agents/zen.md": "Be calm."})
    assert (versions(new), new.texts) == ({"tool/bash": "2.0.0"}, {"agents/zen.md": "Be brisk."})


async def test_updates_change_only_later_sessions(storage: Storage) -> None:
    await add(storage, content(identifier="other"))
    await storage.create_profile(W, NewProfile("mine", tools=TOOLS))
    first = await opened(storage, "mine")
    await storage.update_profile(W, "mine", ProfilePatch(instructions=Raw(b'"New."')))
    second = await opened(storage, "mine")
    await storage.replace_collection(W, content("2.0.0", identifier="other"))
    third = await opened(storage, "mine")
    fourth = await opened(storage, "mine")
    plans = [await storage.session_plan(W, each) for each in (first, second, third, fourth)]
    assert [(plan.profile.instructions, versions(plan)) for plan in plans] == [
        ("", {"tool/other/tool/x": "1.0.0"}),
        ("New.", {"tool/other/tool/x": "1.0.0"}),
        ("New.", {"tool/other/tool/x": "2.0.0"}),
        ("New.", {"tool/other/tool/x": "2.0.0"}),
    ]


async def test_source_of_a_module_changes_later_sessions_only(storage: Storage) -> None:
    await add(storage, content())
    before = await opened(storage)
    await storage.create_module_source(W, "foundation/tool/bash", NewModuleSource("user", "user"))
    await storage.create_module_source(W, "foundation/tool/bash", NewModuleSource("project"))
    await storage.create_module_source(W, "installed/tool/gone", NewModuleSource("installed"))
    after = await opened(storage)
    await storage.delete_module_source(W, "foundation/tool/bash", "project")
    last = await opened(storage)
    found = [(await storage.session_plan(W, each)).mounted.sources for each in (before, after, last)]
    installed = {"installed/tool/gone": "installed"}
    assert found == [{}, {"foundation/tool/bash": "project"} | installed, {"foundation/tool/bash": "user"} | installed]


async def test_copies_and_forks_keep_their_plans(storage: Storage) -> None:
    await add(storage, content())
    await storage.copy_profile(W, "foundation/base", "mine")
    await storage.update_profile(W, "mine", ProfilePatch(version=Raw(b'"2"')))
    copied = await opened(storage, "mine")
    fork = await storage.fork_session(W, await opened(storage), Fork())
    moved = await opened(storage, "default")
    await storage.update_session(W, moved, SessionPatch(profile="foundation/base"))
    await storage.delete_collection(W, "foundation")
    for each in (copied, fork.id, moved):
        plan = await storage.session_plan(W, each)
        assert (versions(plan), plan.texts) == ({"tool/bash": "1.0.0"}, {"agents/zen.md": "Be calm."})
    # A copy of a profile of a deleted collection no longer finds its modules.
    assert versions(await storage.profile_plan(W, "mine")) == {}


async def test_profile_of_another_database_keeps_its_origin(storage: Storage) -> None:
    await storage.create_profile(
        W, NewProfile("mine", tools=TOOLS), origin=ProfileOrigin("foundation", {"agents/zen.md": "Be calm."})
    )
    plan = await storage.profile_plan(W, "mine")
    assert (versions(plan), plan.mounted.collection, plan.texts) == ({}, "foundation", {"agents/zen.md": "Be calm."})
    await add(storage, content())
    assert versions(await storage.session_plan(W, await opened(storage, "mine"))) == {"tool/bash": "1.0.0"}
    await storage.create_profile(W, NewProfile("plain", tools=TOOLS), origin=ProfileOrigin())
    assert await storage.profile_plan(W, "plain") == PlanSources(
        (await storage.profile_plan(W, "plain")).profile, ReferenceTargets(includes_installed=True), {}
    )


async def test_unchanged_profile_stays_as_it_is(storage: Storage) -> None:
    await add(storage, content())
    before = await storage.get_profile(W, "foundation/base")
    await opened(storage)
    await storage.replace_collection(W, content("2.0.0"))
    assert await storage.get_profile(W, "foundation/base") == before
    await storage.replace_collection(W, content("2.0.0", {"agents/zen.md": "x"}))
    assert str((await storage.get_profile(W, "foundation/base")).updated_at) > str(before.updated_at)


async def test_session_keeps_the_modules_of_its_server(database: str) -> None:
    def packages(version: str) -> InstalledModules:
        return InstalledModules(lambda: {"installed/tool/bash": module("installed/tool/bash", version)})

    async with (
        open_storage(database, installed=packages("1.0.0")) as first,
        open_storage(database, installed=packages("2.0.0")) as two,
        open_storage(database) as none,
    ):
        await first.create_profile(W, NewProfile("mine", tools=TOOLS))
        for storage, found in ((first, {"tool/bash": "1.0.0"}), (two, {"tool/bash": "2.0.0"}), (none, {})) * 2:
            assert versions(await storage.profile_plan(W, "mine")) == found
            created = await opened(storage, "mine")
            moved = await opened(none, "default")
            await storage.update_session(W, moved, SessionPatch(profile="mine"))
            overrides = ProfilePatch(instructions=Raw(b'"New."'))
            new = NewSession(profile="mine", settings_overrides=overrides)
            overridden = (await storage.create_session(W, new)).id
            for session_id in (created, moved, overridden):
                plans = [await each.session_plan(W, session_id) for each in (first, two, none)]
                assert [versions(plan) for plan in plans] == [found] * 3
        await add(none, content("3.0.0"))
        assert versions(await two.session_plan(W, await opened(two))) == {"tool/bash": "3.0.0"}


async def test_plan_survives_an_export(storage: Storage) -> None:
    await add(storage, content())
    await storage.create_module_source(W, "foundation/tool/bash", NewModuleSource("git+https://example.com/x"))
    session_id, plain = await opened(storage), await opened(storage, "default")
    plan = await storage.session_plan(W, session_id)
    await storage.append_message(W, session_id, NewMessage(content="x"))
    lines = await exported(storage)
    assert [next(name for name in line.__struct_fields__ if getattr(line, name) is not UNSET) for line in lines] == [
        "header",
        *("session", "profile", "plan", "message"),
        "session",
        "end",
    ]
    assert lines[3].plan == ExportPlan(
        "foundation", plan.mounted.modules, plan.mounted.sources, includes_installed=True, texts=plan.texts
    )
    await storage.import_sessions("other", export_of(lines), "fail")
    assert await storage.session_plan("other", session_id) == plan
    assert (await storage.session_plan("other", plain)).mounted == ReferenceTargets()
    assert await exported(storage, "other") == lines
    await storage.import_sessions("other", export_of(lines), "new_id")
    copies = {each.session.id for each in await exported(storage, "other") if isinstance(each.session, Session)}
    plans = [await storage.session_plan("other", copy) for copy in copies - {session_id, plain}]
    assert plan in plans
    await storage.delete_session("other", session_id)
    await storage.import_sessions("other", export_of([line for line in lines if line.plan is UNSET]), "skip")
    imported = await storage.session_plan("other", session_id)
    # The export does not say which modules the session had.
    assert (imported.texts, imported.mounted) == ({}, ReferenceTargets())


@pytest.mark.parametrize("place", [1, 2, 4, 5])
async def test_misplaced_plan_of_an_export_is_refused(storage: Storage, place: int) -> None:
    await add(storage, content())
    await storage.append_message(W, await opened(storage), NewMessage(content="x"))
    lines = await exported(storage)
    with pytest.raises(ImportInvalid, match="a plan comes after a profile, before the messages, and once"):
        await storage.import_sessions("other", export_of([*lines[:place], lines[3], *lines[place:]]), "fail")


async def test_texts_of_an_export_have_a_limit(storage: Storage) -> None:
    await add(storage, content())
    await opened(storage)
    lines = await exported(storage)
    long = ExportLine(plan=ExportPlan(texts={"a": "\N{PILE OF POO}" * 131_073}))
    with pytest.raises(ImportInvalid, match="the texts of the plan have 524292 bytes; the limit is 524288"):
        await storage.import_sessions("other", export_of([*lines[:3], long, *lines[4:]]), "fail")


async def test_plan_of_the_built_in_profile_is_empty(storage: Storage) -> None:
    plan = await storage.session_plan(W, await opened(storage, "default"))
    assert (plan.profile.name, plan.mounted.modules, plan.mounted.collection, plan.texts) == ("default", {}, UNSET, {})
    assert plan == await storage.profile_plan(W, "default")
