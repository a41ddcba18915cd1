"""`python -m bench.contexts`: compares requests with few and with many profiles and directories; prints the result.

In each round every request is sent to one daemon and then to the other, one at a time; the medians are compared.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

from amplifierd.storage import open_storage
from amplifierd.storage.model.directories import NewDirectory
from amplifierd.storage.model.profile_records import NewProfile
from amplifierd.storage.model.records import NewSession

from .data import SESSIONS
from .programs import Server, amplifierd, serve
from .report import table

_FEW, _MANY = (10, 10), (1_000, 10_000)
_SESSIONS_IN_EACH = 2
_ROUNDS = 1_500

Request = tuple[str, str, str]


def main() -> int:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix=".data-", dir=Path(__file__).parent) as folder, ExitStack() as stack:
        servers = []
        for profiles, directories in (_FEW, _MANY):
            path = Path(folder, f"{directories}.db")
            asyncio.run(_fill(path, profiles, directories))
            program = amplifierd("--data-path", f"{folder}/none")
            servers.append(stack.enter_context(serve(program, path)))
        rows = [[name, *_compare(servers, request)] for name, request in _REQUESTS.items()]
    sys.stdout.write(table(["request", "few, ms", "many, ms", "many : few"], rows) + "\n")
    return 0


async def _fill(path: Path, profiles: int, directories: int) -> None:
    async with open_storage(f"sqlite:///{path}") as storage:
        names = [f"team/p{number}" for number in range(profiles)]
        await asyncio.gather(*(storage.create_profile("default", NewProfile(name)) for name in names))
        paths = [f"a{number % 10}/b{number % 100}/d{number}" for number in range(directories)]
        for start in range(0, directories, 1_000):
            some = paths[start : start + 1_000]
            await asyncio.gather(
                *(
                    storage.create_directory("default", NewDirectory(path, names[number % profiles]))
                    for number, path in enumerate(some)
                )
            )
        for path_of in paths[:1_000]:
            new = NewSession(amplified_dir=path_of)
            await asyncio.gather(*(storage.create_session("default", new) for _ in range(_SESSIONS_IN_EACH)))


_REQUESTS: dict[str, Callable[[int], Request]] = {
    "create a session with defaults": lambda _: ("POST", SESSIONS, "{}"),
    "create one in a directory": lambda n: ("POST", SESSIONS, f'{{"amplified_dir":"a{n % 10}/b{n % 10}/d{n % 10}"}}'),
    "create one of a profile": lambda n: ("POST", SESSIONS, f'{{"profile":"team/p{n % 10}"}}'),
    "a page of 50 sessions": lambda _: ("GET", f"{SESSIONS}?limit=50", ""),
    "a page of 10 directories": lambda _: ("GET", "/api/v1/amplified-directories?limit=10", ""),
    "a page of 10 profiles": lambda _: ("GET", "/api/v1/profiles?limit=10", ""),
    "sessions of a directory": lambda n: (
        "GET",
        f"{SESSIONS}?limit=50&amplified_dir=a{n % 10}/b{n % 10}/d{n % 10}",
        "",
    ),
}


def _compare(servers: list[Server], request: Callable[[int], Request]) -> list[str]:
    connections = [HTTPConnection("127.0.0.1", server.port, timeout=60) for server in servers]
    times: list[list[float]] = [[] for _ in servers]
    for number in range(_ROUNDS):
        for connection, taken in zip(connections, times, strict=True):
            taken.append(_milliseconds(connection, *request(number)))
    few, many = (median(taken) for taken in times)
    return [f"{few:.3f}", f"{many:.3f}", f"{many / few:.2f}"]


def _milliseconds(connection: HTTPConnection, method: str, path: str, body: str) -> float:
    started = time.perf_counter()
    connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
    response = connection.getresponse()
    response.read()
    assert response.status in (200, 201), response.status
    return (time.perf_counter() - started) * 1e3


if __name__ == "__main__":
    sys.exit(main())
