"""`amplifierd health`: a probe for images without another HTTP client, with the responses that a load balancer sees."""

import http.client
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import click
import msgspec

from .options import FROM_ENVIRONMENT

_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Whether the daemon is healthy, and its message."""

    is_well: bool
    text: str


class _Body(msgspec.Struct):
    """The body of a response: the status, or the problem."""

    status: str | int
    detail: str = ""


@click.command(context_settings=FROM_ENVIRONMENT)
@click.option("--host", default="127.0.0.1", show_envvar=True, help="The address that the daemon listens on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8420, show_envvar=True, help="The port.")
@click.option(
    "--url", show_envvar=True, help="The daemon's URL, such as http://host:8420, instead of --host and --port."
)
@click.option("--live", is_flag=True, help="Check only whether the daemon is running.")
@click.option(
    "--timeout", type=click.FloatRange(0.1, 3_600), default=5, help="How many seconds to wait for a response."
)
def health(host: str, port: int, url: str | None, *, live: bool, timeout: float) -> None:
    """Check whether a running daemon can do its work.

    The exit code is 0 if it can, and 1 otherwise.
    """
    report = ask(url or url_of(host, port), "live" if live else "health", timeout)
    if report.is_well:
        click.echo(report.text)
        return
    raise click.ClickException(report.text)


def url_of(host: str, port: int) -> str:
    """The URL of a daemon that listens on `host`; for one that listens on all addresses, the loopback address."""
    try:
        address = ip_address(host)
    except ValueError:
        return f"http://{host}:{port}"
    if address.is_unspecified:
        address = ip_address("::1" if address.version == 6 else "127.0.0.1")
    return f"http://[{address}]:{port}" if address.version == 6 else f"http://{address}:{port}"


def ask(url: str, path: str, seconds: float) -> HealthReport:
    """Ask the daemon at `url` directly, without a proxy."""
    opener = build_opener(ProxyHandler({}))
    target = f"{url.rstrip('/')}/api/v1/{path}"
    try:
        with opener.open(target, timeout=seconds) as response:
            return _report_of(response.read(_MAX_BYTES), target, is_well=True)
    except HTTPError as error:
        with error:
            return _report_of(error.read(_MAX_BYTES), target, is_well=False)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return HealthReport(False, f"{target} does not respond: {getattr(error, 'reason', None) or error}.")


def _report_of(body: bytes, target: str, *, is_well: bool) -> HealthReport:
    try:
        response = msgspec.json.decode(body, type=_Body)
    except msgspec.DecodeError:
        return HealthReport(False, f"{target} returned a response that is not amplifierd's.")
    return HealthReport(is_well, response.detail or str(response.status))
