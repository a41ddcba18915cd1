"""The data of the benchmark, created through each program's own HTTP API."""

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import msgspec

from .corpus import bodies
from .programs import PROGRAMS, BenchmarkFailed, Server, serve

SESSIONS = "/api/v1/sessions"
NEW_SESSION = '{"profile":"default","context":{"task":"API testing","user":"developer"},"amplified_dir":"."}'
NEW_MESSAGE = f'{{"content":"{"The quick brown fox jumps over the lazy dog. " * 2:.80}"}}'

# A message of an assistant with tool calls.
NEW_PARTS = json.dumps(
    {
        "role": "assistant",
        "parts": [
            {"type": "reasoning", "text": "The file has to be read first."},
            {"type": "text", "text": "I look at the file."},
            {"type": "tool_call", "call": "call_1", "name": "read_file", "input": '{"path":"src/main.py"}'},
            {"type": "tool_result", "call": "call_1", "output": "import sys\n\nprint(sys.argv)\n"},
            {"type": "text", "text": "It prints its arguments."},
        ],
    }
)

# Bodies of messages like those of people and tools.
CORPUS = bodies(1_000)

LISTED = 10_000
APPENDED_TO = 1_000
SHORT_TRANSCRIPT = 50
LONG_TRANSCRIPT = 10_000


@dataclass(frozen=True)
class Prepared:
    """A program with its data, in two runs: one is only read, so that writes do not lengthen its lists."""

    read: Server
    written: Server
    listed: list[str]
    appended_to: list[str]

    @property
    def servers(self) -> tuple[Server, Server]:
        """Both runs of the program."""
        return self.read, self.written

    @property
    def short_transcript(self) -> str:
        """The session of 50 messages."""
        return self.listed[0]

    @property
    def corpus_transcript(self) -> str:
        """The session of 50 messages of the corpus."""
        return self.listed[2]

    @property
    def long_transcript(self) -> str:
        """The session of 10,000 messages."""
        return self.listed[1]


@contextmanager
def prepared(folder: Path) -> Iterator[list[Prepared]]:
    """Every program, started and filled, until the context ends."""
    with ExitStack() as stack, ThreadPoolExecutor() as threads:
        runs = [
            [stack.enter_context(serve(program, folder / f"{program.name}-{use}.db")) for use in ("read", "written")]
            for program in PROGRAMS
        ]
        # All at the same time, because nothing is measured yet.
        yield list(threads.map(_fill, runs))


def _fill(servers: list[Server]) -> Prepared:
    read, written = servers
    listed = post(read, SESSIONS, [NEW_SESSION] * LISTED)
    post(read, messages_of(listed[0]), [NEW_MESSAGE] * SHORT_TRANSCRIPT)
    post(read, messages_of(listed[1]), [NEW_MESSAGE] * LONG_TRANSCRIPT)
    post(read, messages_of(listed[2]), CORPUS[:SHORT_TRANSCRIPT])
    return Prepared(read, written, listed, post(written, SESSIONS, [NEW_SESSION] * APPENDED_TO))


def messages_of(session_id: str) -> str:
    """The path of a session's transcript."""
    return f"{SESSIONS}/{session_id}/messages"


def post(server: Server, path: str, bodies: Iterable[str]) -> list[str]:
    """POST each body. Returns the ids in the responses, empty without one."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    ids = []
    for body in bodies:
        connection.request("POST", path, body.encode(), {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        if response.status != 201:
            raise BenchmarkFailed(f"{server.program.name} answers {response.status} to POST {path}: {content.decode()}")
        ids.append(msgspec.json.decode(content).get("id", ""))
    connection.close()
    return ids
