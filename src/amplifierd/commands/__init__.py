"""The command line: a module for each group of commands that belong together.

Modules are imported when a command runs, so that each command starts fast.
"""

from pkgutil import resolve_name

import click

from .. import __version__

# The module of each command, and its name there, as `resolve_name` takes them.
_COMMANDS = {
    "backup": "maintenance:back_up",
    "check": "maintenance:check",
    "cleanup": "transfer:clean_up_sessions",
    "collections": "collections:collections",
    "compact": "maintenance:compact",
    "copy": "transfer:copy_sessions",
    "export": "transfer:export_sessions",
    "health": "health:health",
    "import": "transfer:import_sessions",
    "keys": "keys:keys",
    "modules": "modules:modules",
    "open": "open_page:open_page",
    "restore": "maintenance:restore",
    "serve": "serve:serve",
    "workspaces": "workspaces:workspaces",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = resolve_name(f"{__name__}.{_COMMANDS[cmd_name]}")
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="amplifierd")
def cli() -> None:
    """A store for LLM conversations, served over HTTP. The API is defined in openapi.yaml."""
