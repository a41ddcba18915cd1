"""Other people's programs: run quietly, told in full when they fail."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

MINUTES = 60


class CommandFailed(Exception):
    """A command that did not end well; the sentence holds what it printed."""


def run(command: Sequence[str | Path], folder: Path, *, env: Mapping[str, str] | None = None) -> str:
    """Run a command in a folder, its environment extended by `env`; what it printed is the result."""
    words = [str(word) for word in command]
    try:
        ended = subprocess.run(  # noqa: S603  # the commands are ours
            words,
            cwd=folder,
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=10 * MINUTES,
            check=False,
        )
    except FileNotFoundError as error:
        raise CommandFailed(f"`{words[0]}` is not installed; this language needs it.") from error
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"`{' '.join(words)}` did not end within 10 minutes.") from error
    if ended.returncode != 0:
        raise CommandFailed(f"`{' '.join(words)}` ended with {ended.returncode}:\n{ended.stdout.strip()}")
    return ended.stdout
