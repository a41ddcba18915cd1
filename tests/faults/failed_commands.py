"""Commands that end with an error of one sentence."""

import os
import re
from subprocess import CompletedProcess

from fork_server import run_amplifierd


def run(*arguments: str, **environment: str) -> CompletedProcess[str]:
    """Run `amplifierd` with these arguments. Returns its exit code and output."""
    return run_amplifierd(*arguments, env=os.environ | environment)


def assert_fails(*arguments: str, words: str, **environment: str) -> CompletedProcess[str]:
    """Assert that a start fails with one sentence that matches `words`, without a traceback or a warning."""
    outcome = run("serve", "--port", "0", *arguments, **environment)
    assert outcome.stderr.startswith(("Error: ", "Usage: "))
    assert outcome.returncode != 0
    assert re.search(words, outcome.stderr), outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert outcome.stderr.count("Error: ") == 1
    assert outcome.stdout == ""
    return outcome
