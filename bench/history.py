"""`python -m bench.history`: measures time and memory of `amplifierd import` with transcripts of Claude Code.

Then the unchanged files are imported again. `--files` sets the number of files, which are then short.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from .corpus import texts

_MB = 1_000_000
_MESSAGES_OF_A_SESSION = 1_000
_MESSAGES_OF_A_SHORT_SESSION = 10
# Claude Code cuts longer outputs of commands.
_MAX_OUTPUT = 30_000


def main() -> None:
    """Import transcripts of some megabytes into a new database, and print the time and memory."""
    parser = argparse.ArgumentParser(prog="python -m bench.history", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=25, help="the size of the transcripts")
    parser.add_argument("--files", type=int, help="the number of short transcripts, in place of long ones")
    parser.add_argument("--keep", type=Path, help="a folder for the transcripts and the database, which stay there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix=".data-", dir=Path(__file__).parent) as temporary:
        folder = options.keep or Path(temporary)
        transcripts = folder / "projects"
        transcripts.mkdir(parents=True)
        if options.files:
            written = write_transcripts(transcripts, sys.maxsize, options.files, _MESSAGES_OF_A_SHORT_SESSION)
        else:
            written = write_transcripts(transcripts, options.megabytes * _MB)
        for what in ("new", "unchanged"):
            _measure(folder, transcripts, written, what)


def _measure(folder: Path, transcripts: Path, written: int, what: str) -> None:
    command = [sys.executable, "-m", "amplifierd", "import", "--create", "--database", f"sqlite:///{folder / 'a.db'}"]
    environment = os.environ | {"XDG_DATA_HOME": str(folder / "data")}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([*command, str(transcripts)], check=True, env=environment)  # noqa: S603  # a program of our own
    seconds, used = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    sys.stdout.write(
        f"{written / _MB:.1f} MB, {what}: {seconds:.1f} s, {cpu:.1f} s of CPU, "
        f"{cpu / written * 100 * _MB:.1f} s for 100 MB; at most {used.ru_maxrss / 1024:.0f} MiB of memory.\n"
    )


def write_transcripts(folder: Path, size: int, most: int = sys.maxsize, messages: int = _MESSAGES_OF_A_SESSION) -> int:
    """Write at most `most` files, one for each session, of at least `size` bytes in total. Returns their size."""
    written = 0
    for number in range(most):
        if written >= size:
            break
        path = folder / f"{UUID(int=number + 1)}.jsonl"
        path.write_text("".join(_lines(number, messages)))
        written += path.stat().st_size
    return written


def _lines(number: int, messages: int) -> Iterator[str]:
    """A session in which each prompt is followed by a thought, a call, its result and an answer."""
    contents = texts(messages, seed=number)
    before = None
    for place, content in enumerate(each[:_MAX_OUTPUT] for each in contents):
        key = str(UUID(int=(number << 32) + place + 1))
        yield json.dumps(_line(key, before, number, place, content), ensure_ascii=False) + "\n"
        before = key


def _line(key: str, before: str | None, number: int, place: int, content: str) -> dict[str, Any]:
    call = f"toolu_{number}_{place // 5}"
    turn, step = divmod(place, 5)
    blocks: list[list[dict[str, Any]]] = [
        [{"type": "text", "text": content}],
        [{"type": "thinking", "thinking": content, "signature": "c2ln" * 100}],
        [{"type": "tool_use", "id": call, "name": "Write", "input": {"file_path": "/home/ada/a", "content": content}}],
        [{"type": "tool_result", "tool_use_id": call, "content": content}],
        [{"type": "text", "text": content}],
    ]
    is_response = step in {1, 2, 4}
    message: dict[str, Any] = {"role": "assistant" if is_response else "user", "content": blocks[step]}
    if is_response:
        usage = {"input_tokens": 3, "cache_read_input_tokens": 10_000 + place, "output_tokens": 50 * step}
        message |= {"id": f"msg_{turn}_{step == 4}", "type": "message", "model": "claude-sonnet-4-5", "usage": usage}
    return {
        "parentUuid": before,
        "isSidechain": False,
        "userType": "external",
        "cwd": "/home/ada/atlas",
        "sessionId": str(UUID(int=number + 1)),
        "version": "2.0.61",
        "gitBranch": "main",
        "type": message["role"],
        "message": message,
        "uuid": key,
        "timestamp": f"2026-03-01T10:{place // 60 % 60:02}:{place % 60:02}.000Z",
        **({"toolUseResult": {"stdout": content, "stderr": "", "interrupted": False}} if step == 3 else {}),
    }


if __name__ == "__main__":
    main()
