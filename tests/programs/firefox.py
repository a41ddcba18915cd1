"""`python tests/programs/firefox.py`: walks through the page's main views in Debian's Firefox.

It needs `npm install` in `web`.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from amplifierd.testing import daemon

SCRIPT = Path(__file__).parents[1] / "page" / "firefox.mjs"
PROGRAM = "firefox-esr"
SECONDS = 300
END_SECONDS = 30


def main() -> None:
    """Run the walk, and exit with its code."""
    program = shutil.which(PROGRAM)
    if program is None:
        sys.exit(f"{PROGRAM} is not installed.")
    with daemon() as url, TemporaryDirectory(ignore_cleanup_errors=True) as home:
        session = _session(url)
        # Firefox refuses the home of another user. `node` is the version of the `test` extra.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "HOME": home, "TMPDIR": home, "PATH": path, "MOZ_CRASHREPORTER_DISABLE": "1"}
        process = subprocess.Popen(
            ["node", str(SCRIPT), program, f"{url}/", session], env=environment, start_new_session=True
        )
        sys.exit(_wait(process))


def _wait(process: subprocess.Popen[bytes]) -> int:
    """The exit code of the walk; ends every process that it started."""
    try:
        return process.wait(timeout=SECONDS)
    finally:
        # On SIGTERM, node ends the browser, which has its own process group.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
            for _ in range(END_SECONDS):
                process.poll()
                os.killpg(process.pid, 0)
                time.sleep(1)
            os.killpg(process.pid, signal.SIGKILL)


def _session(url: str) -> str:
    """The id of a session with 120 messages."""
    with httpx.Client(base_url=f"{url}/api/v1", trust_env=False) as client:
        session: str = client.post("/sessions", json={"name": "The main way"}).raise_for_status().json()["id"]
        messages = [{"content": f"Message {number}"} for number in range(1, 121)]
        client.post(f"/sessions/{session}/messages/batch", json={"messages": messages}).raise_for_status()
    return session


if __name__ == "__main__":
    main()
