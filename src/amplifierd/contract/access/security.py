"""Who may do what, with keys that are bearer tokens (RFC 6750).

Plain OpenAPI 3.0 has no scopes for those: an operation that needs more than the least one says so in the challenge that
its 403 declares.
"""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from starlette.types import Scope

from ...storage.model.records import Event
from ..core.document import ContractError, Document, Json
from ..core.problems import Problem
from ..core.request_state import request_state_of
from .probes import is_limited
from .rate_limit import RateLimit

# Each may do what those before it may.
SCOPES = ("read", "write", "admin")

CHALLENGE = "WWW-Authenticate"

_REALM = 'Bearer realm="amplifierd"'


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request may do: all that keys of the scope may, in one workspace. It was made with this key, if any."""

    workspace: str
    scope: str
    key_id: str | None


# What a key opens, None for nothing; or what is open to those who have none.
Authenticate = Callable[[str | None], Awaitable[Credential | None]]


class Security:
    """Lets requests in to one operation, or refuses them."""

    def __init__(
        self, document: Document, operation: Json, authenticate: Authenticate, rate_limit: RateLimit | None
    ) -> None:
        self._needed: int | None = _needed(document, operation)
        self._authenticate = authenticate
        self._rate_limit = rate_limit if is_limited(operation) else None

    @property
    def is_public(self) -> bool:
        """Whether everybody may do it, and so in no workspace."""
        return self._needed is None

    async def admit(self, scope: Scope) -> Credential | None:
        """Whose request it is, None where anybody's is served.

        Raises a problem: 429 for one too many of a key or an address, 401 without a key that is valid, 403 where the
        key's scope is too small.
        """
        request_state = request_state_of(scope)
        key = _bearer(request_state.credentials) if request_state.credentials else None
        credential = None if self._needed is None else await self._authenticate(key)
        if self._rate_limit is not None:
            caller = None if credential is None else credential.key_id
            request_state.headers += self._rate_limit.take(caller or _address(scope))
        if self._needed is None:
            return None
        if credential is None:
            raise _unauthorized(key)
        if SCOPES.index(credential.scope) < self._needed:
            raise _forbidden(credential, self._needed)
        return credential

    async def while_admitted(
        self, scope: Scope, batches: AsyncGenerator[Sequence[Event], None]
    ) -> AsyncGenerator[Sequence[Event], None]:
        """The events of a request until it would not be let in any more: its key was revoked, or has expired."""
        credentials = request_state_of(scope).credentials
        key = _bearer(credentials) if credentials else None
        async with aclosing(batches):
            async for events in batches:
                if self._needed is not None and await self._authenticate(key) is None:
                    return
                yield events


def _needed(document: Document, operation: Json) -> int | None:
    """The place in `SCOPES` of the scope that an operation needs, None where it needs no key."""
    declared = operation if "security" in operation else document.spec
    if not declared.get("security"):
        return None
    forbidden = document.resolve(operation["responses"].get("403", {}))
    challenge = document.resolve(forbidden.get("headers", {}).get(CHALLENGE, {}))
    [scope] = {_scope_of(text) for text in challenge.get("schema", {}).get("enum", [""])}
    if scope not in SCOPES:
        raise ContractError(
            f"Operation {operation['operationId']}: its 403 asks for the scope {scope}; there are {', '.join(SCOPES)}."
        )
    return SCOPES.index(scope)


def _scope_of(challenge: str) -> str:
    found = re.search('scope="(.*)"', challenge)
    return SCOPES[0] if found is None else found[1]


def _bearer(credentials: list[bytes]) -> str:
    """The key that a request shows; a text that is no key where it shows something else."""
    scheme, _, key = credentials[0].decode("latin-1").partition(" ")
    return key.strip() if len(credentials) == 1 and scheme.lower() == "bearer" else ""


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else "unknown"


def _unauthorized(key: str | None) -> Problem:
    if key is None:
        detail = "This server wants a key; send it as Authorization: Bearer amp_…"
        return Problem(401, "key-required", detail, headers={CHALLENGE: _REALM})
    detail = "The key is unknown, has expired or was revoked; ask whoever runs this server for another."
    if not key:
        detail = "Authorization shows no key; send it as Authorization: Bearer amp_…"
    return Problem(401, "key-refused", detail, headers={CHALLENGE: f'{_REALM}, error="invalid_token"'})


def _forbidden(credential: Credential, needed: int) -> Problem:
    detail = f"This needs a key of scope {' or '.join(SCOPES[needed:])}; yours is of scope {credential.scope}."
    challenge = f'{_REALM}, error="insufficient_scope", scope="{SCOPES[needed]}"'
    return Problem(403, "scope-too-small", detail, headers={CHALLENGE: challenge})
