"""A probe of a daemon that runs: what its load balancer would be told."""

import http.client
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import msgspec

_MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Said:
    """Whether the daemon is well, and what it says."""

    is_well: bool
    text: str


class _Body(msgspec.Struct):
    """The body of an answer: that it is well, or why it is not."""

    status: str | int
    detail: str = ""


def url_of(host: str, port: int) -> str:
    """Where a daemon is that listens on an address; one that listens on all of them is asked on this machine's own."""
    try:
        address = ip_address(host)
    except ValueError:
        return f"http://{host}:{port}"
    if address.is_unspecified:
        address = ip_address("::1" if address.version == 6 else "127.0.0.1")
    return f"http://[{address}]:{port}" if address.version == 6 else f"http://{address}:{port}"


def ask(url: str, path: str, seconds: float) -> Said:
    """What the daemon at `url` answers, by no proxy."""
    opener = build_opener(ProxyHandler({}))
    target = f"{url.rstrip('/')}/api/v1/{path}"
    try:
        with opener.open(target, timeout=seconds) as answer:
            return _said(answer.read(_MOST_BYTES), target, is_well=True)
    except HTTPError as error:
        with error:
            return _said(error.read(_MOST_BYTES), target, is_well=False)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Said(False, f"{target} does not answer: {getattr(error, 'reason', None) or error}.")


def _said(body: bytes, target: str, *, is_well: bool) -> Said:
    try:
        said = msgspec.json.decode(body, type=_Body)
    except msgspec.DecodeError:
        return Said(False, f"{target} is answered by something else than amplifierd.")
    return Said(is_well, said.detail or str(said.status))
