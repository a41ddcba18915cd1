"""Builds and runs a container without an engine: the steps of a Dockerfile, and then its command, in Linux namespaces.

Instead of the base image (Debian with Python below `/usr/local`), this machine's folders are mounted read-only, so a
step can only write elsewhere.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from waits import until

# The environment of every Python image.
BASE_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"}
# The variables that an engine passes to the build steps: how to reach the network.
PASSED_ON = re.compile(r"PIP_|SSL_|REQUESTS_CA|(https?|no)_proxy$", re.IGNORECASE)

# Build steps share this machine's pip cache.
PIP_CACHE = Path.home() / ".cache/pip"

# $1 is the root, $2 the prefix of Python, $3 "ro" for a read-only root, $4 the volume, $5 its mount point.
_ENTER = """
set -eu
root=$1 prefix=$2 mode=$3 volume=$4 place=$5
shift 5
mount --bind "$root" "$root"
for folder in usr etc; do
  mount --rbind "/$folder" "$root/$folder"
  mount -o remount,bind,ro "$root/$folder"
done
if [ "$prefix" != /usr ]; then
  for folder in "$prefix" /usr/local; do
    mount --bind "$prefix" "$root$folder"
    mount -o remount,bind,ro "$root$folder"
  done
fi
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/dev"
mkdir -m 1777 "$root/dev/shm"
for device in null zero random urandom; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
if [ "$mode" = ro ]; then mount -o remount,bind,ro "$root"; fi
mount --bind "$volume" "$root$place"
exec /usr/sbin/chroot "$root" "$@"
"""
_NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child")

START_SECONDS = 60
STOP_SECONDS = 60


def can_run() -> bool:
    """Whether this user may create namespaces and mount file systems in them."""
    command = [*_NAMESPACES, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return sys.platform == "linux" and subprocess.run(command, capture_output=True, check=False).returncode == 0


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, each with its arguments on one line."""
    text = re.sub(r"^#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines) if name]


@dataclass
class Stage:
    """A build stage: its root directory, and what its instructions have set so far."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: dict(BASE_ENVIRONMENT))
    folder: str = "/"
    user: str = "0:0"
    volumes: list[str] = field(default_factory=list)
    entry_point: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health_check: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("usr", "etc", "proc", "dev", sys.base_prefix):
            (self.root / name.lstrip("/")).mkdir(parents=True, exist_ok=True)
        (self.root / "tmp").mkdir()
        (self.root / "tmp").chmod(0o1777)
        for name in ("bin", "sbin", "lib", "lib64"):
            (self.root / name).symlink_to(f"usr/{name}")

    def place(self, path: str) -> Path:
        """The path on this machine of a path in the container."""
        return self.root / os.path.normpath(f"{self.folder}/{path}" if path[0] != "/" else path).lstrip("/")

    def entered(self, *, mode: str, user: str, volume: Path, place: str) -> list[str | Path]:
        """A command prefix that runs the command after it in the container, with a volume mounted at `place`."""
        outside: list[str | Path] = [
            *_NAMESPACES,
            "sh",
            "-c",
            _ENTER,
            "sh",
            self.root,
            sys.base_prefix,
            mode,
            volume,
            place,
        ]
        return [*outside, *as_user(user), "/usr/bin/env", f"--chdir={self.folder}"]


def as_user(user: str) -> list[str]:
    """A command prefix that runs the command after it as `UID:GID`, with only that user's rights."""
    uid, _, gid = user.partition(":")
    no_rights = [] if uid == "0" else ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
    return ["/usr/bin/setpriv", "--reuid", uid, "--regid", gid, "--clear-groups", *no_rights]


def build(dockerfile: Path, context: Path, work: Path) -> Stage:
    """Run the steps of a Dockerfile below `work`. Returns its last stage."""
    stages: dict[str, Stage] = {}
    stage = None
    for number, (name, rest) in enumerate(instructions(dockerfile)):
        if name == "FROM":
            stage = Stage(work / str(number))
            stages[rest.partition(" AS ")[2] or str(number)] = stage
            continue
        assert stage is not None, "The first instruction is FROM."
        _carry_out(stage, name, rest, stages, context)
    assert stage is not None
    return stage


def _carry_out(stage: Stage, name: str, rest: str, stages: Mapping[str, Stage], context: Path) -> None:
    match name:
        case "WORKDIR":
            stage.folder = rest
            stage.place(rest).mkdir(parents=True, exist_ok=True)
        case "COPY":
            _copy(stage, rest.split(), stages, context)
        case "RUN":
            _run(stage, rest)
        case "ENV":
            for pair in shlex.split(rest):
                key, _, value = pair.partition("=")
                stage.environment[key] = re.sub(r"\$(\w+)", lambda found: stage.environment[found[1]], value)
        case _:
            _set(stage, name, rest)


def _set(stage: Stage, name: str, rest: str) -> None:
    match name:
        case "USER":
            stage.user = rest
        case "VOLUME":
            stage.volumes += json.loads(rest)
        case "HEALTHCHECK":
            stage.health_check = json.loads(rest.partition("CMD ")[2])
        case "ENTRYPOINT":
            stage.entry_point = json.loads(rest)
        case "CMD":
            stage.command = json.loads(rest)
        case "LABEL" | "EXPOSE":
            pass
        case _:
            raise NotImplementedError(f"{name} is not a supported instruction.")


def _run(stage: Stage, script: str) -> None:
    passed_on = {name: value for name, value in os.environ.items() if PASSED_ON.match(name)}
    PIP_CACHE.mkdir(parents=True, exist_ok=True)
    (stage.root / "cache").mkdir(exist_ok=True)
    entered = stage.entered(mode="rw", user=stage.user, volume=PIP_CACHE, place="/cache")
    ended = subprocess.run(
        [*entered, "/bin/sh", "-c", script],
        env=stage.environment | passed_on | {"PIP_CACHE_DIR": "/cache"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"{script}\n{ended.stdout}{ended.stderr}"


def _copy(stage: Stage, words: list[str], stages: Mapping[str, Stage], context: Path) -> None:
    source = context
    if words[0].startswith("--from="):
        source = stages[words.pop(0).removeprefix("--from=")].root
    *names, target = words
    for name in names:
        place = stage.place(f"{target}/{name}" if target.endswith("/") else target)
        place.parent.mkdir(parents=True, exist_ok=True)
        origin = source / name.lstrip("/")
        if origin.is_dir():
            unwanted = shutil.ignore_patterns("__pycache__", "node_modules", "build")
            shutil.copytree(origin, place, symlinks=True, ignore=unwanted if source == context else None)
        else:
            shutil.copy(origin, place)


class Container:
    """A running container of an image, as a context manager, with a read-only root and a volume in `volume`."""

    def __init__(
        self, image: Stage, *arguments: str, user: str, volume: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._image = image
        self._arguments = arguments or image.command
        self._user = user
        self._volume = volume
        self._environment = image.environment | dict(environment or {})

    def run(self, command: Sequence[str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run the entry point with the arguments, or another command in its place, and wait until it ends."""
        words = [*self._image.entry_point, *self._arguments] if command is None else list(command)
        return subprocess.run(
            [*self._entered(), *words],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=START_SECONDS,
        )

    def _entered(self) -> list[str | Path]:
        [place] = self._image.volumes
        return self._image.entered(mode="ro", user=self._user, volume=self._volume, place=place)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [*self._entered(), *self._image.entry_point, *self._arguments],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self

    @property
    def first_process(self) -> int:
        """The id, on this machine, of the container's process 1."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return int(until(children.read_text).split()[0])

    def inside(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command in the running container, as an engine runs a health check."""
        pid = str(self.first_process)
        enter = ["nsenter", "--target", pid, "--mount", "--pid", f"--root=/proc/{pid}/root", "--wdns=/data"]
        return subprocess.run(
            [*enter, *as_user(self._user), *command],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=START_SECONDS,
        )

    def stop(self) -> tuple[int, str]:
        """Send SIGTERM to the first process, as an engine does. Returns its exit code and output."""
        os.kill(self.first_process, signal.SIGTERM)
        output, _ = self._process.communicate(timeout=STOP_SECONDS)
        return self._process.returncode, output

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
