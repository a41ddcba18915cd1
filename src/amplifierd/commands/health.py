"""`amplifierd health`: a probe for images that have no other client."""

import click

from .options import FROM_ENVIRONMENT


@click.command(context_settings=FROM_ENVIRONMENT)
@click.option("--host", default="127.0.0.1", show_envvar=True, help="The address that the daemon listens on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8420, show_envvar=True, help="The port.")
@click.option("--url", show_envvar=True, help="Where the daemon is, as http://host:8420, in the place of both.")
@click.option("--live", is_flag=True, help="Ask whether it runs, and not whether it can do its work.")
@click.option("--timeout", type=click.FloatRange(0.1, 3_600), default=5, help="How many seconds it may take to answer.")
def health(host: str, port: int, url: str | None, *, live: bool, timeout: float) -> None:
    """Ask a daemon that runs whether it can do its work.

    The exit code is 0 if it can, and 1 otherwise.
    """
    from .health_probe import ask, url_of

    said = ask(url or url_of(host, port), "live" if live else "health", timeout)
    if said.is_well:
        click.echo(said.text)
        return
    raise click.ClickException(said.text)
