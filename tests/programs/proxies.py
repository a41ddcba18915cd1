"""Runs nginx and HAProxy in front of a daemon, with the configurations of docs/proxies.md, on free ports."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from postgres import free_port

NAMES = ("nginx", "haproxy")
# Debian's programs, which `.ci/run` installs; other machines may lack them.
PROGRAMS = {name: shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin") for name in NAMES}
START_SECONDS = 30

_DOCUMENT = Path(__file__).parents[2] / "docs/proxies.md"


@contextmanager
def proxy(name: str, port: int) -> Iterator[str]:
    """The URL of the daemon at `port` through the proxy of this name; it ends with the prefix."""
    program, own_port = PROGRAMS[name], free_port()
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="amplifierd-proxy-") as folder:
        Path(folder).chmod(0o755)
        published = _published(name).replace("8420", str(port)).replace("8080", str(own_port))
        configuration = Path(folder, "configuration")
        configuration.write_text(_RUN[name].format(folder=folder) + published + "\n")
        arguments = {"nginx": ["-c", str(configuration)], "haproxy": ["-f", str(configuration)]}[name]
        log = Path(folder, "log")
        with log.open("w") as written:
            process = subprocess.Popen([program, *arguments], stdout=written, stderr=written)
        try:
            _wait_for(own_port, process, log)
            yield f"http://127.0.0.1:{own_port}/store/"
        finally:
            process.terminate()
            process.wait()


# What a test adds to the published configuration: run in the foreground, and write only to the folder.
_RUN = {
    "nginx": (
        "daemon off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\n"
        "# The published block comes next; its temporary files are here.\n"
    ),
    "haproxy": "",
}


def _published(name: str) -> str:
    block = re.search(rf"```{name}\n(.*?)```", _DOCUMENT.read_text(), re.DOTALL)
    assert block is not None
    return block[1]


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"The proxy did not start: {log.read_text()}")
