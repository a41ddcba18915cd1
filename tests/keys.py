"""Creates keys with the command-line tool."""

import subprocess

from fork_server import run_amplifierd


def create_key(database: str, *options: str, name: str = "test") -> str:
    """A new key for a database, which is created if it does not exist."""
    return amplifierd_keys("create", "--name", name, "--database", database, "--create", *options).strip()


def amplifierd_keys(*arguments: str) -> str:
    """The output of `amplifierd keys`, which must succeed."""
    outcome = try_amplifierd_keys(*arguments)
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


def try_amplifierd_keys(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `amplifierd keys`. Returns its exit code and output."""
    return run_amplifierd("keys", *arguments)
