"""Protects a daemon on the user's machine from web pages in the user's browser.

If a page's host name resolves to this machine (DNS rebinding), its requests have that name in `Host`. If a page of
another site tries to change something, its requests have its `Origin`
(https://fetch.spec.whatwg.org/#origin-header).
"""

import re
from collections.abc import Collection
from functools import lru_cache
from ipaddress import IPv6Address
from typing import NoReturn

from starlette.types import Scope

from ..core.problems import Problem, shorten
from ..core.request_state import RequestState

_SAFE = ("GET", "HEAD", "OPTIONS")
# A name, an IPv4 address or an IPv6 address in brackets, then a port, which may be empty (RFC 9110, section 7.2, RFC
# 3986, section 3.2).
_HOST = re.compile(rb"([A-Za-z0-9._~!$&'()*+,;=%-]{1,255}|\[([0-9A-Fa-f:.]{2,45})\])(?::0{0,9}([0-9]{0,5}))?")
_MAX_PORT = 65_535


class OriginCheck:
    """Admits requests for one of the `hosts` (None for any) from programs, or from pages of an allowed origin.

    `hosts` are names without ports in lower case; `origins` are the other origins whose pages may change something.
    """

    def __init__(self, hosts: Collection[str] | None, origins: Collection[str]) -> None:
        self._hosts = hosts
        # Clients mostly repeat the same host.
        self._is_served = lru_cache(maxsize=256)(self._serves)
        self._origins = origins

    def check(self, scope: Scope, request_state: RequestState) -> None:
        """Admit a request.

        Raises a problem: 400 without exactly one valid `Host`, 421 for another host, 403 for another origin.
        """
        hosts = request_state.fields.get(b"host", ())
        if len(hosts) == 1:
            if not self._is_served(hosts[0]):
                self._refuse_host(hosts[0])
        elif hosts or scope["http_version"] != "1.0":
            raise Problem(400, "bad-host", f"The request has {len(hosts) or 'no'} Host headers; send one.")
        origins = request_state.fields.get(b"origin")
        if origins is not None and scope["method"] not in _SAFE:
            self._check_origin(origins[-1].decode("latin-1"), hosts[0].decode("latin-1") if hosts else "")

    def _serves(self, host: bytes) -> bool:
        name = _name(host)
        return name is not None and (self._hosts is None or name in self._hosts)

    def _refuse_host(self, host: bytes) -> NoReturn:
        name = _name(host)
        shown = shorten(host.decode("latin-1"), 200)
        if name is None:
            detail = f"Invalid Host {shown!r}; send a name or an address, and a port up to {_MAX_PORT}."
            raise Problem(400, "bad-host", detail)
        detail = f"This server does not serve host {shown!r}; its operator can allow hosts with --allowed-hosts."
        raise Problem(421, "misdirected-request", detail)

    def _check_origin(self, origin: str, host: str) -> None:
        if origin.partition("://")[2] == host or origin in self._origins:
            return
        raise Problem(
            403,
            "origin-not-allowed",
            f"Pages of {shorten(origin, 200)!r} may not change anything here; "
            "the operator of this server can allow them with --cors-origin.",
        )


def _name(host: bytes) -> str | None:
    """A host without its port, in lower case: `localhost` for `Localhost:8420`, `[::1]` for `[::1]:8420`.

    None for an invalid one.
    """
    found = _HOST.fullmatch(host)
    if found is None or int(found[3] or b"0") > _MAX_PORT:
        return None
    if found[2] is not None:
        try:
            IPv6Address(found[2].decode())
        except ValueError:
            return None
    return found[1].decode().lower().rstrip(".")
