"""The command line: a module for each group of commands that belong together.

Imports what it needs when a command runs, so that each starts fast.
"""

import click

from .. import __version__
from .collections import collections
from .health import health
from .keys import keys
from .maintenance import back_up, check, compact, restore
from .modules import modules
from .open_page import open_page
from .serve import serve
from .transfer import clean_up_sessions, copy_sessions, export_sessions, import_sessions
from .workspaces import workspaces


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="amplifierd")
def cli() -> None:
    """A store for LLM conversations, served over HTTP. The API is defined in openapi.yaml."""


for command in (
    serve,
    open_page,
    export_sessions,
    import_sessions,
    clean_up_sessions,
    copy_sessions,
    back_up,
    restore,
    compact,
    check,
    health,
    keys,
    workspaces,
    collections,
    modules,
):
    cli.add_command(command)
