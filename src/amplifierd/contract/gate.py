"""What a web page in a user's browser may not do to a daemon on the user's machine.

A page whose name is made to point at this machine (DNS rebinding) shows that name in `Host`; a page that sends its
user's browser here to change something shows itself in `Origin` (https://fetch.spec.whatwg.org/#origin-header).
"""

from collections.abc import Collection

from starlette.types import Scope

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

    def check(self, scope: Scope) -> None:
        """Let a request in.

        Raises a problem: 400 for one without its one `Host`, 421 for another host's, 403 for a strange page's.
        """
        hosts = []
        origin = None
        for name, value in scope["headers"]:
            if name == b"host":
                hosts.append(value)
            elif name == b"origin":
                origin = value
        if self._hosts is not None:
            self._check_host(scope, hosts)
        if origin is not None and scope["method"] not in _SAFE:
            self._check_origin(origin.decode("latin-1"), hosts[0].decode("latin-1") if hosts else "")

    def _check_host(self, scope: Scope, hosts: list[bytes]) -> None:
        assert self._hosts is not None, "It is asked only where hosts are told apart."
        if len(hosts) != 1:
            if not hosts and scope["http_version"] in _UNNAMED_IN:
                return
            raise Problem(400, "bad-host", f"The request has {len(hosts) or 'no'} Host headers; send one.")
        host = hosts[0].decode("latin-1")
        if _name(host) not in self._hosts:
            raise Problem(
                421,
                "misdirected-request",
                f"This server is not {shorten(host, 200)!r}; whoever runs it names its hosts with --allowed-hosts.",
            )

    def _check_origin(self, origin: str, host: str) -> None:
        if origin.partition("://")[2] == host or origin in self._origins:
            return
        raise Problem(
            403,
            "origin-not-allowed",
            f"Pages of {shorten(origin, 200)!r} may not change anything here; "
            "whoever runs this server lets them with --cors-origin.",
        )


def _name(host: str) -> str:
    """A host without its port, in lower case: `localhost` for `Localhost:8420`, `[::1]` for `[::1]:8420`."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower().rstrip(".")
