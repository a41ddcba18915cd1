"""Keys as their owners hold them: `amp_`, the id that the storage finds them by, `_`, and what nobody else knows."""

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass

from .contract import Credential
from .storage.model.api_keys import Key, NewKey, Scope
from .storage.model.interface import Storage
from .storage.values.clock import Clock

# Everything is kept under a workspace; without keys there is one.
DEFAULT_WORKSPACE = "default"

# A key that is revoked opens nothing any more within so long, on every process.
TRUSTED_SECONDS = 0.5
MAX_TRUSTED = 10_000

_ID_BYTES = 6
_SECRET_BYTES = 32
_KEY = re.compile(rf"amp_([0-9a-f]{{{2 * _ID_BYTES}}})_[A-Za-z0-9_-]{{43}}")
_NO_DIGEST = "0" * 64

OPEN = Credential(DEFAULT_WORKSPACE, "admin", None)


def new_key(name: str, workspace: str, scope: Scope, expires_seconds: float | None) -> tuple[str, NewKey]:
    """A key for its owner, and what the storage is to know of it."""
    key_id = secrets.token_hex(_ID_BYTES)
    text = f"amp_{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    return text, NewKey(key_id, workspace, name, scope, _digest(text), expires_seconds)


@dataclass(frozen=True, slots=True)
class _Trust:
    """What was found in the storage, and until when that is believed."""

    credential: Credential | None
    until: float


class Keyring:
    """Tells whose request it is; what `storage` says is believed for half a second, so that requests need not wait."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._clock = Clock()
        self._trusted: dict[str, _Trust] = {}
        self._open = _Trust(None, 0)
        self._has_seen_keys = False

    async def credential(self, key: str | None) -> Credential | None:
        """What a key opens, None for nothing; without any key in the storage everything is open to everybody.

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
        """What is open to those who have no key: nothing from the first key on that was ever seen.

        Keys that are out of sight (a database that was restored, replaced, or hides rows) open no door.
        """
        self._has_seen_keys = self._has_seen_keys or await self._storage.has_keys()
        return None if self._has_seen_keys else OPEN

    async def _find(self, text: str) -> Credential | None:
        match = _KEY.fullmatch(text)
        if match is None:
            return None
        key = await self._storage.find_key(match[1])
        # As long for a key that is not there as for one that is.
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
