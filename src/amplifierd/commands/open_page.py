"""`amplifierd open`: opens the page in the user's browser, and starts a daemon if none is running."""

import subprocess
import sys
import time
import webbrowser
from pathlib import Path

import click

from ..settings import default_data_path
from .health import ask, url_of
from .options import FROM_ENVIRONMENT

_START_SECONDS = 60
_POLL_SECONDS = 0.1
_ANSWER_SECONDS = 5
# The end of the log, which says why a daemon did not start.
_LAST_CHARACTERS = 2_000


def _default_log() -> Path:
    return default_data_path().with_name("amplifierd.log")


@click.command("open", context_settings=FROM_ENVIRONMENT)
@click.option("--host", default="127.0.0.1", show_envvar=True, help="The address that the daemon listens on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8420, show_envvar=True, help="The port.")
@click.option(
    "--log-file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=_default_log,
    show_default="a file in your data directory",
    show_envvar=True,
    help="The log file of a daemon that this command starts.",
)
def open_page(host: str, port: int, log_file: Path) -> None:
    """Open the web page of the daemon in your browser.

    If no daemon is running at the address, this command starts one with the settings in the environment. That daemon
    keeps running when the command ends.
    """
    url = url_of(host, port)
    if not _is_served(url):
        process = _start(host, port, url, log_file)
        click.echo(f"amplifierd serves {url}/ as process {process}; its log is {log_file}.")
    if not webbrowser.open(f"{url}/"):
        click.echo(f"No browser was found; open {url}/ in one.")


def _is_served(url: str) -> bool:
    return ask(url, "live", _ANSWER_SECONDS).is_well


def _start(host: str, port: int, url: str, log_file: Path) -> int:
    """Start a daemon and wait until it is ready; its process id. Raises `click.ClickException` if it does not start."""
    command = [sys.executable, "-m", "amplifierd", "serve", "--host", host, "--port", str(port)]
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("wb") as log:
        # In a new session, the daemon does not end with this terminal.
        process = subprocess.Popen(  # noqa: S603  # this program itself
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if _is_served(url):
            return process.pid
        time.sleep(_POLL_SECONDS)
    process.terminate()
    log_tail = log_file.read_text(errors="replace")[-_LAST_CHARACTERS:].strip()
    raise click.ClickException(f"The daemon did not start. {log_tail.removeprefix('Error: ')}")
