"""Runs PgBouncer in front of a PostgreSQL server, in a temporary directory and on a free port."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from postgres import NOBODY, free_port

# Debian's program, which `.ci/run` installs; other machines may lack it.
PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
START_SECONDS = 30


@contextmanager
def pgbouncer(url: str, pool_mode: str, *settings: str) -> Iterator[str]:
    """The URL of a database through a PgBouncer with these settings; it ignores some start-up parameters."""
    assert PROGRAM is not None
    parts = urlsplit(url)
    name = parts.path.removeprefix("/")
    port = free_port()
    lines = [
        "[databases]",
        f"{name} = host={parts.hostname} port={parts.port} dbname={name} user={parts.username}",
        "[pgbouncer]",
        "listen_addr = 127.0.0.1",
        f"listen_port = {port}",
        "unix_socket_dir =",
        "auth_type = any",
        f"pool_mode = {pool_mode}",
        "ignore_startup_parameters = search_path,lock_timeout,idle_in_transaction_session_timeout,extra_float_digits",
        *settings,
    ]
    # PgBouncer refuses to run as root.
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="amplifierd-pgbouncer-") as folder:
        Path(folder).chmod(0o755)
        configuration = Path(folder, "pgbouncer.ini")
        configuration.write_text("\n".join([*lines, ""]))
        process = subprocess.Popen(
            [PROGRAM, "--quiet", str(configuration)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **user,  # type: ignore[call-overload]  # what Popen takes by name
        )
        try:
            _wait_for(port, process)
            yield f"postgresql://{parts.username}@127.0.0.1:{port}/{name}"
        finally:
            process.kill()
            process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
