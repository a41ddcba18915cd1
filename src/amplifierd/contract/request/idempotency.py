"""Requests with an `Idempotency-Key`: identified by their content, and handled one at a time.

The storage keeps the responses (see `IdempotentRequest`); this module computes the digest of the whole request, and
refuses a key that is in use (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header).
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from starlette.types import Scope

from ...storage.model.records import Digest, IdempotentRequest
from ..core.paths import without_trailing_slash
from ..core.problems import Problem, shorten

IDEMPOTENCY_KEY = "Idempotency-Key"
ARGUMENT = "once"

# Ids are case-insensitive (RFC 9562, section 4), so this is the same request.
_UUID = re.compile(r"(?<=/)[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?=/|$)")

InUse = set[tuple[object, str]]


class Idempotency:
    """The keys of one operation's requests; `in_use` has those of all requests in progress, with workspaces."""

    def __init__(self, operation_id: str, in_use: InUse) -> None:
        self._operation_id = operation_id
        self._in_use = in_use

    @contextmanager
    def handling(self, key: str, workspace: object, digest: Digest) -> Iterator[IdempotentRequest]:
        """The handler's argument for a request with this key in a workspace, while it is being handled.

        Raises a 409 problem if another request with the key is being handled.
        """
        entry = (workspace, key)
        if entry in self._in_use:
            raise Problem(
                409,
                "idempotency-key-in-use",
                f"A request with the {IDEMPOTENCY_KEY} '{shorten(key, 255)}' is being handled; wait for its response, "
                "then retry.",
            )
        self._in_use.add(entry)
        try:
            yield IdempotentRequest(key, digest)
        finally:
            self._in_use.remove(entry)

    def digest(self, scope: Scope, body: bytes | Digest) -> Digest:
        """The digest of a request; `body` is its text, or a digest that is updated as it arrives."""
        digest: Digest = hashlib.sha256() if isinstance(body, bytes) else body
        path = unquote(without_trailing_slash(scope["raw_path"]).decode("ascii"))
        path = _UUID.sub(lambda found: found[0].lower(), path)
        digest.update(b"\0".join((self._operation_id.encode(), path.encode(), scope["query_string"], b"")))
        if isinstance(body, bytes):
            digest.update(body)
        return digest
