"""A daemon for tests, from Python: `daemon()()` starts one, `Server` fills and empties it through its API."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

SECONDS = 30

BUILT_IN = "default"
ROOT = "."

# The daemon is on this machine, so no proxy is used.
_DIRECT = build_opener(ProxyHandler({}))


@contextmanager
def daemon(*options: str) -> Iterator[str]:
    """The URL of an ephemeral daemon; `options` are for `amplifierd serve`. Raises RuntimeError on failure."""
    command = [sys.executable, "-m", "amplifierd", "serve", "--ephemeral", "--log-level", "warning", *options]
    # The caller's own settings of a daemon do not apply to this one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AMPLIFIERD_")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:  # noqa: S603
        try:
            assert process.stdout is not None  # a pipe
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"amplifierd did not start; its exit code is {process.wait()}.")
            yield json.loads(line)["url"]
        finally:
            process.terminate()


class _Refused(RuntimeError):
    """The daemon's problem body for a refused request."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Server:
    """A daemon at `url`; `api` is the base of the contract's paths, `sessions` are those of the last seed."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.api = f"{url}/api/v1"
        self.sessions: list[dict[str, Any]] = []

    def reset(self, seed: list[dict[str, Any]]) -> None:
        """Delete everything, then create the sessions of `seed` (see the fixture `amplifierd_seed`), in order.

        Responses recorded under an `Idempotency-Key` stay. Raises RuntimeError if a seed is refused.
        """
        for session in self._ask("GET", "/sessions"):
            self._ask("DELETE", f"/sessions/{session['id']}")
        self._ask("DELETE", "/profiles/active")
        for profile in self._ask("GET", "/profiles"):
            if profile["name"] != BUILT_IN:
                self._ask("DELETE", f"/profiles/{profile['name']}")
        for directory in self._ask("GET", "/amplified-directories")["directories"]:
            path = f"/amplified-directories/{quote(directory['relativePath'])}"
            if directory["relativePath"] == ROOT:
                nothing = dict.fromkeys(directory["metadata"])
                self._ask("PATCH", path, {"default_profile": None, "metadata": nothing})
            else:
                self._ask("DELETE", path)
        self.sessions = [self._create(dict(item)) for item in seed]

    def _create(self, item: dict[str, Any]) -> dict[str, Any]:
        messages = item.pop("messages", [])
        self._prepare("/profiles", "name", item.get("profile", BUILT_IN))
        self._prepare("/amplified-directories", "relative_path", item.get("amplified_dir", ROOT))
        path = f"/sessions/{self._ask('POST', '/sessions', item)['id']}"
        for message in messages:
            self._ask("POST", f"{path}/messages", message)
        created: dict[str, Any] = self._ask("GET", path)
        return created

    def _prepare(self, path: str, field: str, name: str) -> None:
        """Create the profile and directory of a session, if they do not exist."""
        if name in (BUILT_IN, ROOT):
            return
        try:
            self._ask("POST", path, {field: name})
        except _Refused as refused:
            if refused.status != HTTPStatus.CONFLICT:
                raise

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.api + path, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310
        try:
            with _DIRECT.open(request, timeout=SECONDS) as response:
                return json.loads(response.read() or "null")
        except HTTPError as error:
            raise _Refused(error.code, f"{method} {path}: {json.load(error)['detail']}") from None
