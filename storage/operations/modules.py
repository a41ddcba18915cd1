"""The modules of collections, as of the last read of each collection, and the sources that are set for modules."""

from collections.abc import Sequence

import msgspec

from ..model.modules import (
    SCOPES,
    Module,
    ModuleNotFound,
    ModuleScope,
    ModuleSource,
    ModuleSourceExists,
    ModuleSourceNotFound,
    ModuleSummary,
    NewModuleSource,
)
from ..sql.ports import Bindings, Rows
from ..sql.statements import collections as statements
from ..sql.statements.profiles import OUTDATE_PROFILES
from ..sql.statements.sessions import Statements
from .unit_of_work import UnitOfWork

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Module).decode


async def read(rows: Rows, workspace: str, module_id: str) -> Module:
    """Read a module. Raises `ModuleNotFound`."""
    row = await rows.row(statements.MODULE, {"workspace": workspace, "id": module_id})
    if row is None:
        raise ModuleNotFound(module_id)
    return _decode(row[0])


async def find(rows: Rows, sql: Statements, workspace: str, ids: Sequence[str]) -> dict[str, Module]:
    """The modules with these ids, by id; without those that do not exist."""
    if not ids:
        return {}
    found = await rows.all(sql.MODULES_WITH_IDS, {"workspace": workspace, "ids": ids_as_json(ids)})
    return {module_id: _decode(record) for module_id, record in found}


def ids_as_json(ids: Sequence[str]) -> str:
    """The names by which a profile refers to modules, as a JSON list of ids to look up.

    No module id has a control character; NUL is replaced by another one, because PostgreSQL refuses JSON with NUL.
    """
    return _encode([name.replace("\0", "\1") for name in ids]).decode()


def summary_of(module: ModuleSummary) -> str:
    """The entry of a module in lists, as JSON."""
    return _encode(module.summary()).decode()


async def replace_all(work: UnitOfWork, identifier: str, name: str, modules: Sequence[Module]) -> None:
    """Replace the modules of the collection with this identifier and name; unchanged modules are not written."""
    stored = dict(await _stored(work, name))
    for module in modules:
        own = msgspec.structs.replace(module, collection=identifier)
        record = _encode(own).decode()
        if stored.pop(module.id, None) != record:
            texts: Bindings = {"collection": identifier, "summary": summary_of(own), "record": record}
            await work.run(statements.WRITE_MODULE, _key(work, module.id) | {"type": module.type} | texts)
    for module_id in stored:
        await work.run(statements.DELETE_MODULE, _key(work, module_id))


async def delete_all(work: UnitOfWork, name: str) -> None:
    """Delete the modules of a collection, and the sources that are set for them."""
    for module_id, _ in await _stored(work, name):
        await work.run(statements.DELETE_MODULE, _key(work, module_id))
    await work.run(statements.DELETE_SOURCES, _range(work, name))


async def sources(rows: Rows, workspace: str, module_id: str) -> list[ModuleSource]:
    """The sources that are set for a module, in the order of precedence."""
    found: dict[str, str] = dict(await rows.all(statements.SOURCES, {"workspace": workspace, "id": module_id}))
    return [ModuleSource(module_id, scope, found[scope]) for scope in SCOPES if scope in found]


async def create_source(work: UnitOfWork, module_id: str, new: NewModuleSource) -> ModuleSource:
    """Set a source of a module. Raises `ModuleSourceExists` if its scope has one."""
    if any(source.scope == new.scope for source in await sources(work.transaction, work.workspace, module_id)):
        raise ModuleSourceExists(module_id, new.scope)
    return await replace_source(work, module_id, new)


async def replace_source(work: UnitOfWork, module_id: str, new: NewModuleSource) -> ModuleSource:
    """Set a source of a module; it replaces the one of the same scope."""
    await work.run(statements.WRITE_SOURCE, _key(work, module_id) | {"scope": new.scope, "source": new.source})
    await work.run(OUTDATE_PROFILES, {"workspace": work.workspace})
    return ModuleSource(module_id, new.scope, new.source)


async def delete_source(work: UnitOfWork, module_id: str, scope: ModuleScope) -> None:
    """Remove a source. Raises `ModuleSourceNotFound`."""
    if await work.run(statements.DELETE_SOURCE, _key(work, module_id) | {"scope": scope}) is None:
        raise ModuleSourceNotFound(module_id, scope)
    await work.run(OUTDATE_PROFILES, {"workspace": work.workspace})


async def _stored(work: UnitOfWork, name: str) -> list[tuple[str, str]]:
    found = await work.transaction.all(statements.MODULES, _range(work, name))
    return [(module_id, record) for module_id, record in found]


def _range(work: UnitOfWork, name: str) -> Bindings:
    """The bindings for the range of ids that begin with the name of a collection and a slash."""
    # In the order of characters, 0 comes right after the slash.
    return {"workspace": work.workspace, "first": f"{name}/", "last": f"{name}0"}


def _key(work: UnitOfWork, module_id: str) -> Bindings:
    return {"workspace": work.workspace, "id": module_id}
