"""`amplifierd import` of conversations in several files: they are read together, and each fault names its file."""

import json
import os
import zipfile
from pathlib import Path

import pytest

from conftest import Exported, Import, Object
from daemon import Daemon
from samples.histories import CLAUDE_CODE, lines
from samples.opencode_database import fill_opencode, opencode_files, write_files


@pytest.fixture(scope="module")
def daemon(sqlite_daemon: Daemon) -> Daemon:
    return sqlite_daemon


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """The folder of opencode, with a file that is not a conversation."""
    folder = tmp_path / "opencode" / "storage"
    write_files(folder, {**opencode_files(), "project/4f2a.json": {"id": "4f2a", "worktree": "/home/ada/atlas"}})
    return folder


def messages_in(found: list[Object]) -> list[Object]:
    return [line["message"] for line in found if "message" in line]


def test_opencode_files_become_sessions(import_: Import, exported: Exported, storage: Path) -> None:
    status, output = import_(storage.parent)
    assert (status, "Not understood" in output) == (0, False), output
    assert "Imported 2 sessions, extended 0, with 4 messages in all" in output
    assert "Read 1 file (1 of opencode) with 0 branches; 0 unchanged." in output
    assert "No format recognizes 1 other file: " in output
    found = exported()
    main, agent = sorted((line["session"] for line in found if "session" in line), key=lambda each: each["name"])
    assert (main["name"], agent["parentSessionId"]) == ("Files of ses_1", main["id"])
    assert (main["labels"]["project"], main["labels"]["directory"]) == ("4f2a", "/home/ada/atlas")
    assert (main["context"]["opencode"]["todo"][0]["content"], agent["archived"]) == ("Read a.txt", True)
    question, response, results = sorted(messages_in(found), key=lambda each: str(each["id"]))[:3]
    assert question["metadata"]["opencode"]["before"][0]["session_diff"][0]["after"] == "one"
    assert [part["type"] for part in response["parts"]] == ["data", "reasoning", "tool_call", "text"]
    assert response["usage"]["inputTokens"] == 150
    assert results["parts"][0]["output"] == "one"


def test_files_are_read_again_if_one_changes(import_: Import, exported: Exported, storage: Path) -> None:
    import_(storage)
    before = exported()
    assert "Read 0 files; 1 unchanged." in import_(storage)[1]
    write_files(
        storage,
        {
            "message/ses_1/msg_4.json": {"role": "user", "time": {"created": 1_780_000_020_000}},
            "part/msg_4/prt_9.json": {"type": "text", "text": "And b.txt?"},
        },
    )
    status, output = import_(storage)
    assert (status, "extended 1, with 1 message" in output) == (0, True), output
    assert all(message in messages_in(exported()) for message in messages_in(before))


def test_database_migrated_from_the_files_adds_nothing(
    import_: Import, exported: Exported, storage: Path, tmp_path: Path
) -> None:
    import_(storage)
    before = exported()
    fill_opencode(tmp_path / "opencode.db").close()
    status, output = import_(tmp_path / "opencode.db")
    assert (status, "Imported 0 sessions, extended 0, with 0 messages" in output) == (0, True), output
    assert exported() == before


def test_faults_name_their_files_and_the_rest_is_imported(import_: Import, exported: Exported, storage: Path) -> None:
    write_files(
        storage,
        {
            "part/msg_9/prt_1.json": {"type": "text", "text": "Of no message", "sessionID": "ses_1"},
            "message/ses_9/msg_8.json": {"role": "user"},
            "part/msg_8/prt_1.json": {"type": "text", "text": "Of no session"},
        },
    )
    (storage / "part/msg_2/prt_2_9.json").write_text('{\n  "type": "text",\n  "text": "cut')
    (storage / "message/ses_2/msg_3.json").write_text("")
    (storage / "session/4f2a/ses_5.json").write_text("[]")
    status, output = import_(storage)
    assert status == 1
    assert "Imported 2 sessions, extended 0, with 4 messages in all" in output
    for place in (
        "part/msg_2/prt_2_9.json:3: The file is not JSON: ",
        "message/ses_2/msg_3.json:1: The file is not JSON: ",
        "message/ses_9/msg_8.json:1: The session ses_9 has no file; ",
        "part/msg_9/prt_1.json:1: The message msg_9 has no file; ",
        "session/4f2a/ses_5.json:1: The session is not an object.",
    ):
        assert f"  {storage}/{place}" in output
    assert "Of no message" in json.dumps(exported())
    # Faults are reported again.
    assert import_(storage)[1].splitlines()[3:] == output.splitlines()[3:]


def test_archive_is_read_like_the_folder(import_: Import, exported: Exported, storage: Path, tmp_path: Path) -> None:
    import_(storage)
    before = exported()
    archive = tmp_path / "opencode.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(storage.rglob("*.json"), reverse=True):
            packed.write(path, path.relative_to(storage.parent))
    status, output = import_(archive)
    assert (status, "Read 1 file (1 of opencode) with 0 branches; 0 unchanged." in output) == (0, True), output
    assert exported() == before


def test_file_name_may_be_any_bytes(import_: Import, exported: Exported, storage: Path) -> None:
    Path(os.fsdecode(bytes(storage / "part/msg_1") + b"/prt_\xff.json")).write_text('{"type":"text","text":"Odd name"}')
    status, output = import_(storage.parent)
    assert (status, "Not understood" in output) == (0, False), output
    assert "Odd name" in json.dumps(exported())


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate_paths_in_an_archive_are_reported(
    import_: Import, exported: Exported, storage: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "opencode.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("storage/part/msg_1/prt_1_0.json", '{"type":"text","text":"First"}')
        for path in sorted(storage.rglob("*.json")):
            packed.write(path, path.relative_to(storage.parent))
    status, output = import_(archive)
    assert (status, "Not understood (same path twice): 1" in output) == (1, True), output
    assert "part/msg_1/prt_1_0.json:1: Another file has the same path; the last one is read." in output
    assert "What is in a.txt?" in json.dumps(exported())


def test_unreadable_files_of_a_directory_are_reported(import_: Import, exported: Exported, tmp_path: Path) -> None:
    folder = tmp_path / "projects"
    folder.mkdir()
    (folder / "a.zip").write_bytes(b"PK\x03\x04 but no archive")
    (folder / "b.jsonl").write_bytes(lines(*CLAUDE_CODE))
    status, output = import_(folder)
    assert status == 1
    assert f"  {folder}/a.zip:1: It cannot be read: the archive cannot be unpacked" in output
    assert len(messages_in(exported())) > 0
