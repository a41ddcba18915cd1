"""API keys: `amp_`, the id in the storage, `_`, and a secret."""

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass

from .contract import Credential
from .storage.model.interface import Storage
from .storage.model.workspaces import Key, NewKey, Scope
from .storage.values.clock import Clock

# All data belongs to a workspace; without keys there is only this one.
DEFAULT_WORKSPACE = "default"

# The maximum time for which a process still accepts a revoked key.
TRUSTED_SECONDS = 0.5
MAX_TRUSTED = 10_000

_ID_BYTES = 6
_SECRET_BYTES = 32
_KEY = re.compile(rf"amp_([0-9a-f]{{{2 * _ID_BYTES}}})_[A-Za-z0-9_-]{{43}}")
_NO_DIGEST = "0" * 64

OPEN = Credential(DEFAULT_WORKSPACE, "admin", None)


def new_key(name: str, workspace: str, scope: Scope, expires_seconds: float | None) -> tuple[str, NewKey]:
    """A new key for its owner, and its record for the storage."""
    key_id = secrets.token_hex(_ID_BYTES)
    text = f"amp_{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    return text, NewKey(key_id, workspace, name, scope, _digest(text), expires_seconds)


@dataclass(frozen=True, slots=True)
class _Trust:
    """A credential found in the storage, and how long it is cached."""

    credential: Credential | None
    until: float


class Keyring:
    """Finds the credential of a request; caches results of `storage` for half a second, to save queries."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._clock = Clock()
        self._trusted: dict[str, _Trust] = {}
        self._open = _Trust(None, 0)
        self._has_seen_keys = False

    async def credential(self, key: str | None) -> Credential | None:
        """The credential of a key, None if it is invalid. If the storage has no keys, everyone gets full access.

        Raises `StorageUnavailable`.
        """
        moment = time.monotonic()
        if self._open.until < moment:
            self._open = _Trust(await self._without_key(), moment + TRUSTED_SECONDS)
        if self._open.credential is not None or key is None:
            return self._open.credential
        trusted = self._trusted.get(key)
        if trusted is None or trusted.until < moment:
            trusted = _Trust(await self._find(key), moment + TRUSTED_SECONDS)
            self._remember(key, trusted)
        return trusted.credential

    async def _without_key(self) -> Credential | None:
        """The credential of requests without a key: None once a key has ever been seen.

        This holds even if keys are no longer visible: in a database that was restored or replaced, or that hides rows.
        """
        self._has_seen_keys = self._has_seen_keys or await self._storage.has_keys()
        return None if self._has_seen_keys else OPEN

    async def _find(self, text: str) -> Credential | None:
        match = _KEY.fullmatch(text)
        if match is None:
            return None
        key = await self._storage.find_key(match[1])
        # Takes the same time for an unknown key as for a known one.
        same = hmac.compare_digest(_digest(text), _NO_DIGEST if key is None else key.digest)
        return _credential(key) if key is not None and same and key.is_valid(self._clock.now()) else None

    def _remember(self, key: str, trusted: _Trust) -> None:
        if trusted.credential is None:
            self._trusted.pop(key, None)
            return
        if len(self._trusted) >= MAX_TRUSTED:
            self._trusted.clear()
        self._trusted[key] = trusted


def _credential(key: Key) -> Credential:
    return Credential(key.workspace, key.scope, key.id)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
