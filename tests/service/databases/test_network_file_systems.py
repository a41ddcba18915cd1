"""A SQLite file on a network file system: refused, or locked for one machine."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from amplifierd.storage.model.database_errors import DatabaseUnusable
from amplifierd.storage.sqlite.files.file_system import shared_file_system
from amplifierd.storage.sqlite.files.machine_lock import lock_for_this_machine
from daemon import Daemon, http_get, http_post
from fork_server import run_amplifierd

# Mounts as real machines have them: a disk, the layers of a container, and shared folders.
MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
30 27 0:40 / /layers rw,relatime shared:1 - overlay overlay rw,lowerdir=/a,upperdir=/b
31 27 0:41 / /tmp/memory rw - tmpfs tmpfs rw
40 27 0:50 / /mnt/nfs rw,relatime shared:7 master:1 - nfs4 server:/export rw,vers=4.2
41 27 0:51 / /mnt/windows rw - cifs //server/share rw
42 27 0:52 / /mnt/sshfs rw,nosuid - fuse.sshfs user@server:/ rw
43 27 0:53 / /mnt/vm rw - 9p share rw,trans=virtio
44 27 0:54 / /mnt/docker rw - virtiofs share rw
45 27 0:55 / /mnt/ntfs rw - fuseblk /dev/sda1 rw
46 40 254:1 / /mnt/nfs/disk rw - xfs /dev/vdb rw
47 27 0:56 / /mnt/with\\040space rw - nfs server:/other rw
48 27 254:2 / /mnt/hidden rw - ext4 /dev/vdc rw
49 27 0:57 / /mnt/hidden rw - nfs4 server:/third rw
"""

HOLD = """
import sys
from pathlib import Path
from amplifierd.storage.sqlite.files.machine_lock import lock_for_this_machine
path, mounts, boot_id = map(Path, sys.argv[1:])
lock = lock_for_this_machine(path, single_machine=True, mounts=mounts, boot_id=boot_id)
print("held", flush=True)
sys.stdin.read()
"""

# A process that runs with it believes that it is on another machine.
ANOTHER = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'
BINDFS = shutil.which("bindfs")


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    file = tmp_path / "mountinfo"
    file.write_text(MOUNTS)
    return file


@pytest.fixture
def nfs(tmp_path: Path) -> Path:
    """The mounts of a machine that has an NFS mount at the test's folder."""
    file = tmp_path / "nfs"
    file.write_text(f"{MOUNTS}50 27 0:60 / {tmp_path} rw - nfs4 server:/x rw\n")
    return file


def boot(tmp_path: Path, name: str) -> Path:
    file = tmp_path / name
    file.write_text(f"{name}\n")
    return file


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/var/lib/amplifierd/a.db", None),
        ("/layers/a.db", None),
        ("/tmp/memory/a.db", None),  # noqa: S108  # of the text above
        ("/mnt/nfs/not/yet/there/a.db", "nfs4"),
        ("/mnt/nfs-and-more/a.db", None),
        ("/mnt/windows/a.db", "cifs"),
        ("/mnt/sshfs/a.db", "fuse.sshfs"),
        ("/mnt/vm/a.db", "9p"),
        ("/mnt/docker/a.db", "virtiofs"),
        ("/mnt/ntfs/a.db", None),
        ("/mnt/nfs/disk/a.db", None),
        ("/mnt/with space/a.db", "nfs"),
        ("/mnt/hidden/a.db", "nfs4"),
    ],
)
def test_file_system_of_a_path_is_known(mounts: Path, path: str, found: str | None) -> None:
    assert shared_file_system(Path(path), mounts) == found


def test_unknown_file_system_is_trusted(tmp_path: Path) -> None:
    assert shared_file_system(tmp_path, tmp_path / "nothing") is None


def test_file_on_a_disk_has_no_lock(tmp_path: Path, mounts: Path) -> None:
    lock_for_this_machine(tmp_path / "a.db", single_machine=False, mounts=mounts).release()
    assert not (tmp_path / "a.db-machine").exists()


def test_file_is_refused_unless_an_option_allows_it(tmp_path: Path, nfs: Path) -> None:
    with pytest.raises(DatabaseUnusable, match=r"of type nfs4, which other machines may write to"):
        lock_for_this_machine(tmp_path / "a.db", single_machine=False, mounts=nfs)
    with pytest.raises(DatabaseUnusable, match="of type nfs4"):
        lock_for_this_machine(tmp_path / "a.db", single_machine=None, mounts=nfs)
    lock_for_this_machine(tmp_path / "a.db", single_machine=True, mounts=nfs).release()
    # A daemon's option applies to other commands, but not to the next daemon.
    lock_for_this_machine(tmp_path / "a.db", single_machine=None, mounts=nfs).release()
    with pytest.raises(DatabaseUnusable, match="of type nfs4"):
        lock_for_this_machine(tmp_path / "a.db", single_machine=False, mounts=nfs)


def test_lock_excludes_other_machines_but_not_processes(tmp_path: Path, nfs: Path) -> None:
    path, own_machine, other_machine = tmp_path / "a.db", boot(tmp_path, "here"), boot(tmp_path, "there")
    command = [sys.executable, "-c", HOLD, str(path), str(nfs), str(own_machine)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        first = lock_for_this_machine(path, single_machine=True, mounts=nfs, boot_id=own_machine)
        second = lock_for_this_machine(path, single_machine=True, mounts=nfs, boot_id=own_machine)
        # A process that ends does not release the locks of the others.
        second.release()
        for lock in (first, None):
            with pytest.raises(DatabaseUnusable, match="Another machine uses the database"):
                lock_for_this_machine(path, single_machine=True, mounts=nfs, boot_id=other_machine)
            if lock is not None:
                lock.release()
        holder.kill()
        holder.wait()
    lock_for_this_machine(path, single_machine=True, mounts=nfs, boot_id=other_machine).release()


@pytest.fixture
def fuse(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system in user space."""
    assert BINDFS is not None
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    subprocess.run([BINDFS, str(source), str(target)], check=True)
    yield target
    subprocess.run(["umount", str(target)], check=True)


def test_daemons_on_two_machines_cannot_serve_one_file(fuse: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{fuse / 'a.db'}"
    refused = run_amplifierd("serve", "--port", "0", "--database", url)
    assert (refused.returncode, "of type fuse" in refused.stderr) == (1, True)
    assert [*fuse.iterdir()] == []
    another = ["unshare", "--mount", "sh", "-c", ANOTHER, str(boot(tmp_path, "another"))]
    with Daemon(url, "--single-machine", "--workers", "2") as first, Daemon(url, "--single-machine") as second:
        assert http_post(f"{first.api}/sessions", timeout=60).status_code == 201
        assert len(http_get(f"{second.api}/sessions", timeout=60).json()) == 1
        assert run_amplifierd("check", "--database", url).returncode == 0
        with pytest.raises(RuntimeError, match="Another machine uses the database"):
            Daemon(url, "--single-machine", within=another)
        second.kill()
        first.kill()
    with Daemon(url, "--single-machine", within=another) as third:
        assert len(http_get(f"{third.api}/sessions", timeout=60).json()) == 1
