"""What a web page in a user's browser may not do to a daemon on the user's machine.

A page whose name is made to point at this machine (DNS rebinding) shows that name in `Host`; a page that sends its
user's browser here to change something shows itself in `Origin` (https://fetch.spec.whatwg.org/#origin-header).
"""

from collections.abc import Collection
from functools import lru_cache

from starlette.types import Scope

from .exchange import Exchange
from .problems import Problem, shorten

_SAFE = ("GET", "HEAD", "OPTIONS")
_UNNAMED_IN = ("1.0", "0.9")


class Gate:
    """Lets requests in that are meant for one of the `hosts`, None for any, and come from no page or from one of ours.

    `hosts` are names without ports in lower case; `origins` are those of pages elsewhere that may change something.
    """

    def __init__(self, hosts: Collection[str] | None, origins: Collection[str]) -> None:
        self._hosts = hosts
        self._origins = origins

    def check(self, scope: Scope, exchange: Exchange) -> None:
        """Let a request in.

        Raises a problem: 400 for one without its one `Host`, 421 for another host's, 403 for a strange page's.
        """
        hosts = exchange.hosts
        if self._hosts is not None and (len(hosts) != 1 or _name(hosts[0]) not in self._hosts):
            self._refuse(scope, hosts)
        if exchange.origin is not None and scope["method"] not in _SAFE:
            self._check_origin(exchange.origin.decode("latin-1"), hosts[0].decode("latin-1") if hosts else "")

    def _refuse(self, scope: Scope, hosts: list[bytes]) -> None:
        if len(hosts) != 1:
            if not hosts and scope["http_version"] in _UNNAMED_IN:
                return
            raise Problem(400, "bad-host", f"The request has {len(hosts) or 'no'} Host headers; send one.")
        host = shorten(hosts[0].decode("latin-1"), 200)
        detail = f"This server is not {host!r}; whoever runs it names its hosts with --allowed-hosts."
        raise Problem(421, "misdirected-request", detail)

    def _check_origin(self, origin: str, host: str) -> None:
        if origin.partition("://")[2] == host or origin in self._origins:
            return
        raise Problem(
            403,
            "origin-not-allowed",
            f"Pages of {shorten(origin, 200)!r} may not change anything here; "
            "whoever runs this server lets them with --cors-origin.",
        )


@lru_cache(maxsize=256)
def _name(host: bytes) -> str:
    """A host without its port, in lower case: `localhost` for `Localhost:8420`, `[::1]` for `[::1]:8420`."""
    text = host.decode("latin-1").lower()
    name, colon, port = text.rpartition(":")
    return (name if colon and port.isdecimal() else text).rstrip(".")
