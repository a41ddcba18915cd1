"""`amplifierd modules`: the modules that profiles of a workspace may name."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import click
import msgspec

from ..storage import open_existing
from ..storage.model.modules import InstalledModules, ModuleSummary, ModuleType
from ..storage.model.queries import all_records
from .options import FROM_ENVIRONMENT, database, sentences, workspace

if TYPE_CHECKING:
    from ..storage.model.interface import Storage
    from ..storage.model.records import Listing

_AT_ONCE = 500

_summaries = msgspec.json.Decoder(list[ModuleSummary]).decode


@click.command(context_settings=FROM_ENVIRONMENT)
@database
@workspace
@click.option("--type", "module_type", type=click.Choice(get_args(ModuleType)), help="Only modules of this type.")
@click.argument("module_id", metavar="[ID]", required=False)
def modules(database: str, workspace: str, module_type: ModuleType | None, module_id: str | None) -> None:
    """List the modules of collections and installed packages, or show the module ID as JSON."""
    from ..documents.modules.catalog import ModuleCatalog
    from ..documents.modules.installed import installed_modules

    catalog = ModuleCatalog(InstalledModules(installed_modules))

    async def page(storage: "Storage", cursor: str | None) -> "Listing":
        return await storage.list_modules(
            workspace, module_type, installed=catalog.installed, limit=_AT_ONCE, cursor=cursor
        )

    async def read() -> list[Any]:
        async with open_existing(database) as storage:
            if module_id is not None:
                return [await catalog.get(storage, workspace, module_id)]
            return [summary async for summary in all_records(partial(page, storage), _summaries)]

    with sentences():
        found = asyncio.run(read())
    for module in found:
        if module_id is not None:
            click.echo(msgspec.json.format(msgspec.json.encode(module), indent=2))
        else:
            click.echo(f"{module.id}  {module.version}  {module.location}")
