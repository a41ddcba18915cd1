"""Whether what profiles say is there, for them and for the sessions that keep it, and is what was written."""

from collections.abc import Iterator

from .checking import Finding
from .profiles import built_in, hash_of
from .rows import Row


def content_findings(row: Row) -> Iterator[Finding]:
    """What is wrong with a row of `PROFILE_CONTENTS`."""
    workspace, content_hash, content = row
    if hash_of(content) != content_hash:
        text = f"Profile content {content_hash} of workspace {workspace} is not as written, which nothing can rebuild."
        yield Finding("profile", text, workspace)


def profile_finding(row: Row) -> Finding:
    """What is wrong with a profile: a row of `EMPTY_PROFILES`."""
    workspace, name = row
    text = f"Profile {name} of workspace {workspace} has lost what it says, which nothing can rebuild."
    return Finding("profile", text, workspace)


def snapshot_findings(row: Row) -> Iterator[Finding]:
    """What is wrong with what a session keeps of a profile: a row of `EMPTY_SNAPSHOTS`."""
    workspace, session_id, content_hash = row
    if built_in(content_hash) is None:
        yield Finding.of(workspace, session_id, "profile", "has lost what its profile was.")
