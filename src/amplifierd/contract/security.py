"""Who may do what: each operation's security scheme names the least scope of the keys that open it.

The contract declares a scheme for each scope, `readKey` and so on, all of them bearer tokens (RFC 6750), for which
plain OpenAPI 3.0 has no scopes.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.types import Scope

from .document import ContractError, Document, Json
from .exchange import exchange_of
from .problems import Headers, Problem
from .rate import RateLimit

# Each may do what those before it may.
SCOPES = ("read", "write", "admin")

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="amplifierd"'}
_REFUSAL = {"WWW-Authenticate": 'Bearer realm="amplifierd", error="invalid_token"'}


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
        self._rate_limit = rate_limit

    @property
    def is_public(self) -> bool:
        """Whether everybody may do it, and so in no workspace."""
        return self._needed is None

    async def admit(self, scope: Scope) -> Credential | None:
        """Whose request it is, None where anybody's is served.

        Raises a problem: 429 for one too many of a key or an address, 401 without a key that is valid, 403 where the
        key's scope is too small.
        """
        if self._needed is None:
            self._count(scope, None)
            return None
        key = _bearer(scope["headers"])
        credential = await self._authenticate(key)
        self._count(scope, credential)
        if credential is None:
            raise _unauthorized(key)
        if SCOPES.index(credential.scope) < self._needed:
            enough = " or ".join(SCOPES[self._needed :])
            detail = f"This needs a key of scope {enough}; yours is of scope {credential.scope}."
            raise Problem(403, "scope-too-small", detail)
        return credential

    def _count(self, scope: Scope, credential: Credential | None) -> None:
        if self._rate_limit is not None:
            caller = None if credential is None else credential.key_id
            exchange_of(scope).headers += self._rate_limit.take(caller or _address(scope))


def _needed(document: Document, operation: Json) -> int | None:
    """The place in `SCOPES` of the scope that an operation needs, None where it needs no key."""
    declared = operation if "security" in operation else document.spec
    ways: list[Json] = declared.get("security") or []
    named = [name for way in ways for name in way]
    if not named:
        return None
    scope = named[0].removesuffix("Key")
    if named != [f"{scope}Key"] or scope not in SCOPES:
        raise ContractError(
            f"Operation {operation['operationId']}: its security names {', '.join(named)}; "
            f"this server knows one of {', '.join(f'{it}Key' for it in SCOPES)} for each operation."
        )
    return SCOPES.index(scope)


def _bearer(headers: Headers) -> str | None:
    """The key that a request shows; a text that is no key where it shows something else."""
    given = [value for name, value in headers if name == b"authorization"]
    if not given:
        return None
    scheme, _, key = given[0].decode("latin-1").partition(" ")
    return key.strip() if len(given) == 1 and scheme.lower() == "bearer" else ""


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else "unknown"


def _unauthorized(key: str | None) -> Problem:
    if key is None:
        detail = "This server wants a key; send it as Authorization: Bearer amp_…"
        return Problem(401, "key-required", detail, headers=_CHALLENGE)
    detail = "The key is unknown, has expired or was revoked; ask whoever runs this server for another."
    return Problem(401, "key-refused", detail, headers=_REFUSAL)
