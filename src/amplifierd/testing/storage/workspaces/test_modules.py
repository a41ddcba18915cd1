"""The modules of collections."""

import dataclasses
from collections.abc import Sequence

import msgspec
import pytest
from msgspec import UNSET, Raw

from amplifierd.storage.model.collections import CollectionContent
from amplifierd.storage.model.interface import Storage
from amplifierd.storage.model.modules import (
    Module,
    ModuleNotFound,
    ModuleSource,
    ModuleSourceExists,
    ModuleSourceNotFound,
    ModuleSummary,
    ModuleType,
    NewModuleSource,
)
from amplifierd.storage.model.profile_records import ModuleConfig, NewProfile
from amplifierd.storage.model.records import NewSession
from amplifierd.testing.storage.steps import records

W = "default"
SCHEMA = Raw(b'{"b": 1.0, "a": [2]}')


def module(module_id: str, version: str = "1.0.0", schema: Raw | msgspec.UnsetType = UNSET) -> Module:
    kinds: dict[str, ModuleType] = {"tool": "tool", "provider": "provider"}
    return Module(
        id=module_id,
        type=kinds[module_id.split("/")[1]],
        name=module_id.split("/")[2],
        version=version,
        location="file:///x",
        config_schema=schema,
    )


def content(identifier: str, *modules: Module) -> CollectionContent:
    return CollectionContent(
        identifier=identifier,
        source="/x",
        kind="folder",
        commit=None,
        profiles=[],
        agents=[],
        context=[],
        modules=list(modules),
        problems=[],
    )


async def create(storage: Storage, new: CollectionContent, workspace: str = W) -> Sequence[str]:
    async def read() -> CollectionContent:
        return new

    return (await storage.create_collection(workspace, new.identifier, read)).modules


async def listed(storage: Storage, workspace: str = W, kind: ModuleType | None = None) -> list[str]:
    return [summary.id for summary in await records(await storage.list_modules(workspace, kind), ModuleSummary)]


async def test_module_is_stored_unchanged(storage: Storage, other: Storage) -> None:
    assert await create(storage, content("x/a", module("a/tool/t", schema=SCHEMA))) == ["a/tool/t"]
    found = await other.get_module(W, "a/tool/t")
    assert (found.collection, found.type, found.config_schema) == ("x/a", "tool", SCHEMA)
    assert await other.find_modules(W, ["a/tool/t", "a/tool/u"]) == {"a/tool/t": found}
    assert await other.find_modules("other", ["a/tool/t"]) == await other.find_modules(W, []) == {}
    for workspace, module_id in (("other", "a/tool/t"), (W, "a/tool"), (W, "a/tool/T")):
        with pytest.raises(ModuleNotFound):
            await storage.get_module(workspace, module_id)


async def test_any_text_may_be_the_name_of_a_module(storage: Storage) -> None:
    names = ["a\0b", "\0/tool/\0", "\1", '"', "\N{PILE OF POO}"]
    assert await storage.find_modules(W, names) == {}
    await storage.create_profile(W, NewProfile("p", tools=[ModuleConfig(name) for name in names]))
    session = await storage.create_session(W, NewSession(profile="p"))
    plan = await storage.session_plan(W, session.id)
    assert (plan.profile.tools, plan.mounted.modules) == ([ModuleConfig(name) for name in names], {})


async def test_list_is_in_order_of_id_and_paged(storage: Storage) -> None:
    await create(storage, content("b", module("b/tool/t"), module("b/provider/p")))
    await create(storage, content("z", module("z/tool/t")))
    assert await listed(storage) == ["b/provider/p", "b/tool/t", "z/tool/t"]
    assert await listed(storage, kind="provider") == ["b/provider/p"]
    assert await listed(storage, "other") == await listed(storage, kind="hook") == []
    installed = [module("installed/tool/i"), module("installed/provider/j")]
    whole = await storage.list_modules(W, "tool", installed=installed)
    assert [each.id for each in await records(whole, ModuleSummary)] == [
        "b/tool/t",
        "installed/tool/i",
        "z/tool/t",
    ]
    found, cursor = [], None
    for _ in range(4):
        page = await storage.list_modules(W, "tool", installed=installed, limit=1, cursor=cursor)
        found += [each.id for each in await records(page, ModuleSummary)]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == ["b/tool/t", "installed/tool/i", "z/tool/t"]


async def test_sync_replaces_modules(storage: Storage) -> None:
    await create(storage, content("a", module("a/tool/old"), module("a/tool/same"), module("a/tool/new")))
    await create(storage, content("a0", module("a0/tool/t")))
    await storage.replace_collection(W, content("a", module("a/tool/same"), module("a/tool/new", "2.0.0")))
    assert await listed(storage) == ["a/tool/new", "a/tool/same", "a0/tool/t"]
    assert (await storage.get_module(W, "a/tool/new")).version == "2.0.0"
    await storage.fail_collection(W, "a", "It is away.")
    assert await listed(storage) == ["a/tool/new", "a/tool/same", "a0/tool/t"]
    await storage.delete_collection(W, "a")
    assert await listed(storage) == ["a0/tool/t"]
    await storage.delete_workspace(W)
    assert await listed(storage) == []


async def test_modules_belong_to_their_collection(storage: Storage) -> None:
    same = content("x/a", module("a/tool/t"))
    await create(storage, same)
    await storage.delete_collection(W, "x/a")
    await create(storage, dataclasses.replace(same, identifier="y/a"))
    assert (await storage.get_module(W, "a/tool/t")).collection == "y/a"


async def test_source_of_the_nearest_scope_is_first(storage: Storage, other: Storage) -> None:
    await create(storage, content("a", module("a/tool/t")))
    user = await storage.create_module_source(W, "a/tool/t", NewModuleSource("u", "user"))
    assert user == ModuleSource("a/tool/t", "user", "u")
    await storage.create_module_source(W, "a/tool/t", NewModuleSource("p"))
    await storage.replace_module_source(W, "a/tool/t", NewModuleSource("l", "local"))
    await storage.create_module_source(W, "installed/tool/i", NewModuleSource("i"))
    with pytest.raises(ModuleSourceExists):
        await storage.create_module_source(W, "a/tool/t", NewModuleSource("x"))
    await storage.replace_module_source(W, "a/tool/t", NewModuleSource("q"))
    assert [source.source for source in await other.module_sources(W, "a/tool/t")] == ["l", "q", "u"]
    assert await other.module_sources("other", "a/tool/t") == []
    await storage.delete_module_source(W, "a/tool/t", "local")
    with pytest.raises(ModuleSourceNotFound):
        await storage.delete_module_source(W, "a/tool/t", "local")
    await storage.replace_collection(W, content("a"))
    assert [source.source for source in await other.module_sources(W, "a/tool/t")] == ["q", "u"]
    await storage.delete_collection(W, "a")
    assert await other.module_sources(W, "a/tool/t") == []
    assert [source.source for source in await other.module_sources(W, "installed/tool/i")] == ["i"]
    await storage.create_module_source(W, "a/tool/t", NewModuleSource("x"))
    await storage.create_module_source(W, "a/tool/t", NewModuleSource("x", "user"))
    assert await other.modules_with_sources(W, after="", most=9) == ["a/tool/t", "installed/tool/i"]
    assert await other.modules_with_sources(W, after="", most=1) == ["a/tool/t"]
    assert await other.modules_with_sources(W, after="a/tool/t", most=9) == ["installed/tool/i"]
    assert await other.modules_with_sources("other", after="", most=9) == []
    await storage.delete_workspace(W)
    assert await other.module_sources(W, "installed/tool/i") == []
    assert await other.modules_with_sources(W, after="", most=9) == []
