"""Authorization by keys, which are bearer tokens (RFC 6750).

OpenAPI 3.0 has no scopes for bearer tokens: an operation that needs more than the lowest scope declares this in the
challenge of its 403.
"""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from starlette.types import Scope

from ...storage.model.records import Event
from ..core.document import ContractError, Document, Json
from ..core.problems import Problem
from ..core.request_state import RequestState, caller_of, request_state_of
from .probes import is_limited
from .rate_limit import RateLimit

# Each scope includes those before it.
SCOPES = ("read", "write", "admin")

CHALLENGE = "WWW-Authenticate"

_REALM = 'Bearer realm="amplifierd"'


@dataclass(frozen=True, slots=True)
class Credential:
    """The rights of a request: a scope in one workspace, and the key of the request, if any."""

    workspace: str
    scope: str
    key_id: str | None


# Returns the credential of a key, or of requests without a key; None if the key is invalid.
Authenticate = Callable[[str | None], Awaitable[Credential | None]]


class Security:
    """Authorizes the requests to one operation."""

    def __init__(
        self, document: Document, operation: Json, authenticate: Authenticate, rate_limit: RateLimit | None
    ) -> None:
        self._required_scope: int | None = _required_scope(document, operation)
        self._authenticate = authenticate
        self._rate_limit = rate_limit if is_limited(operation) else None

    @property
    def is_public(self) -> bool:
        """Whether the operation needs no key, and so has no workspace."""
        return self._required_scope is None

    async def admit(self, scope: Scope, request_state: RequestState) -> Credential | None:
        """The credential of a request, None if the operation needs none.

        Raises a problem: 429 above the rate limit of a key or an address, 401 without a valid key, 403 if the
        key's scope is insufficient.
        """
        key = _key_of(request_state)
        credential = None if self._required_scope is None else await self._authenticate(key)
        if credential is not None:
            request_state.key_id = credential.key_id
        if self._rate_limit is not None:
            request_state.headers += self._rate_limit.take(caller_of(scope))
        if self._required_scope is None:
            return None
        if credential is None:
            raise _unauthorized(key)
        if SCOPES.index(credential.scope) < self._required_scope:
            raise _forbidden(credential, self._required_scope)
        return credential

    async def while_admitted(
        self, scope: Scope, batches: AsyncGenerator[Sequence[Event], None]
    ) -> AsyncGenerator[Sequence[Event], None]:
        """The events of a request until its key is revoked or expires."""
        key = _key_of(request_state_of(scope))
        async with aclosing(batches):
            async for events in batches:
                if self._required_scope is not None and await self._authenticate(key) is None:
                    return
                # A list, so that the events are not kept while the client reads them.
                waiting = [events]
                del events
                yield waiting.pop()


def _required_scope(document: Document, operation: Json) -> int | None:
    """The index in `SCOPES` of the scope that an operation needs, None if it needs no key."""
    declared = operation if "security" in operation else document.spec
    if not declared.get("security"):
        return None
    forbidden = document.resolve(operation["responses"].get("403", {}))
    challenge = document.resolve(forbidden.get("headers", {}).get(CHALLENGE, {}))
    scope = _scope_of(challenge["schema"].get("pattern", "")) if challenge else SCOPES[0]
    if scope not in SCOPES:
        raise ContractError(
            f"Operation {operation['operationId']}: its 403 asks for the scope {scope!r}; "
            f"there are {', '.join(SCOPES)}."
        )
    return SCOPES.index(scope)


def _scope_of(challenge: str) -> str:
    found = re.search('scope="([^"]*)"', challenge)
    return "" if found is None else found[1]


def _key_of(request_state: RequestState) -> str | None:
    """The key in a request's `Authorization`, None without it; an invalid key for any other content."""
    credentials = request_state.fields.get(b"authorization")
    if credentials is None:
        return None
    scheme, _, key = credentials[0].decode("latin-1").partition(" ")
    return key.strip() if len(credentials) == 1 and scheme.lower() == "bearer" else ""


def _unauthorized(key: str | None) -> Problem:
    if key is None:
        detail = "This server requires a key; send it as Authorization: Bearer amp_…"
        return Problem(401, "key-required", detail, headers={CHALLENGE: _REALM})
    detail = "The key is unknown, has expired or was revoked; ask the operator of this server for a new one."
    if not key:
        detail = "Authorization has no key; send it as Authorization: Bearer amp_…"
    return Problem(401, "key-refused", detail, headers={CHALLENGE: f'{_REALM}, error="invalid_token"'})


def _forbidden(credential: Credential, needed: int) -> Problem:
    detail = f"This needs a key with scope {' or '.join(SCOPES[needed:])}; yours has scope {credential.scope}."
    challenge = f'{_REALM}, error="insufficient_scope", scope="{SCOPES[needed]}"'
    return Problem(403, "scope-too-small", detail, headers={CHALLENGE: challenge})
