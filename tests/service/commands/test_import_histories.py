"""`amplifierd import` of other tools' files: it writes what is new, and reports faults."""

import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from conftest import Exported, Import, Object
from daemon import Daemon, http_get
from fork_server import run_amplifierd
from samples.histories import (
    CHATGPT,
    CHATGPT_ID,
    CLAUDE_CODE,
    CODEX_ID,
    SAMPLES,
    SESSION,
    code_line,
    lines,
    reply,
    text,
    user,
)


@pytest.fixture(scope="module")
def daemon(sqlite_daemon: Daemon) -> Daemon:
    return sqlite_daemon


def sessions_in(found: list[Object]) -> list[Object]:
    """The sessions of an export."""
    return [line["session"] for line in found if "session" in line]


def test_directory_is_imported_once(tmp_path: Path, import_: Import, exported: Exported) -> None:
    folder = tmp_path / "projects"
    for name, sample in SAMPLES.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "any-name").write_bytes(sample())
    (folder / "notes.md").write_text("Not a conversation.")
    status, output = import_(folder)
    assert status == 0, output
    files = len(SAMPLES)
    assert re.search(
        rf"^Read {files} files \(.*1 of claude-code.*\) with 5 branches; 0 unchanged\.$", output, re.MULTILINE
    )
    assert "No format recognizes 1 other file: " in output
    before = exported()
    assert len({session["id"] for session in sessions_in(before)} & {SESSION, CODEX_ID, CHATGPT_ID}) == 3
    status, output = import_(folder)
    assert (status, f"Read 0 files; {files} unchanged." in output) == (0, True)
    # Also without the ledger of imported files.
    status, output = import_(folder, XDG_DATA_HOME=str(tmp_path / "other"))
    assert (status, "Imported 0 sessions, extended 0, with 0 messages" in output) == (0, True)
    assert exported() == before


def test_grown_file_extends_its_sessions(tmp_path: Path, import_: Import, exported: Exported) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(lines(*CLAUDE_CODE[:9]))
    assert import_(file)[0] == 0
    before = exported()
    assert "name" not in before[0]["session"]
    file.write_bytes(lines(*CLAUDE_CODE))
    status, output = import_(file)
    assert status == 0, output
    assert "Imported 2 sessions, extended 1, with 13 messages in all." in output
    assert "Read 1 file (1 of claude-code) with 1 branch; 0 unchanged." in output
    after = exported()
    found = {session["id"]: session for session in sessions_in(after)}
    assert found[SESSION]["messageCount"] == 9
    assert found[SESSION]["name"] == "Files of Ada"
    assert found[SESSION]["createdAt"] == before[0]["session"]["createdAt"]
    assert all(line in after for line in before[1:])


def test_deleted_session_is_imported_again(
    tmp_path: Path, import_: Import, exported: Exported, daemon: Daemon, workspace: str
) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(SAMPLES["claude-ai"]())
    assert import_(file)[0] == 0
    before = exported()
    arguments = ["--older-than-days", "0", "--status", "active", "--no-dry-run"]
    run_amplifierd("cleanup", "--database", daemon.database, "--workspace", workspace, *arguments)
    assert exported() == []
    assert import_(file)[0] == 0
    assert exported() == before


def test_changed_branch_keeps_the_session(tmp_path: Path, import_: Import, exported: Exported) -> None:
    file = tmp_path / "conversations.json"
    file.write_text(json.dumps([CHATGPT[0] | {"current_node": "answer---first"}]))
    assert import_(file)[0] == 0
    before = sessions_in(exported())
    file.write_text(json.dumps(CHATGPT))
    status, output = import_(file)
    assert (status, "Imported 0 sessions, extended 0, with 0 messages" in output) == (0, True), output
    assert sessions_in(exported()) == before


def test_archive_and_standard_input_are_imported(tmp_path: Path, import_: Import, exported: Exported) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conversations-000.json", SAMPLES["chatgpt"]())
        archive.writestr("chat.html", "<html>")
    status, output = import_(path)
    assert (status, "chat.html" in output) == (0, True), output
    assert len(sessions_in(exported())) == 2
    # An archive is always read again.
    status, output = import_(path)
    assert (status, "Read 1 file (1 of chatgpt) with 1 branch; 0 unchanged." in output) == (0, True), output


def test_folder_without_files_and_unknown_file_are_errors(tmp_path: Path, import_: Import) -> None:
    (tmp_path / "empty").mkdir()
    status, output = import_(tmp_path / "empty")
    assert (status, output) == (1, f"Error: There are no files in {tmp_path}/empty.\n")
    (tmp_path / "notes.md").write_text("Not a conversation.")
    status, output = import_(tmp_path / "notes.md")
    assert (status, "Not understood (unknown format): 1\n" in output) == (1, True), output


def test_long_image_becomes_a_stored_file(tmp_path: Path, import_: Import, exported: Exported) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO" * 30_000}}
    file = tmp_path / "a.jsonl"
    file.write_bytes(lines(code_line("u1", None, {"role": "user", "content": [image]})))
    status, output = import_(file)
    assert status == 0, output
    [part] = exported()[1]["message"]["parts"]
    assert re.fullmatch("/files/[0-9a-f]{64}", part["url"])
    assert part["media"] == "image/png"


FILES = {
    "not base64": (f"data:image/png;base64,\u00e9{'A' * 70_000}", "text/plain"),
    "percent-encoded": (f"data:image/svg+xml,{'%3Cg/%3E' * 10_000}", "image/svg+xml"),
    "without a media type": (f"data:,{'a' * 70_000}", "text/plain"),
    "a media type with a line break": (f"data:image/png\r\nSet-Cookie: a=b,{'b' * 70_000}", "application/octet-stream"),
}


def test_long_data_urls_become_stored_files(tmp_path: Path, sqlite_template: Path) -> None:
    database = f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'a.db')}"
    content = [{"type": "image_url", "image_url": {"url": url}} for url, _ in FILES.values()]
    source = tmp_path / "a.jsonl"
    source.write_bytes(lines({"messages": [{"role": "user", "content": content}]}))
    outcome = run_amplifierd("import", "--database", database, str(source))
    assert outcome.returncode == 0, outcome.stderr
    with Daemon(database) as daemon:
        [session] = http_get(f"{daemon.api}/sessions").json()
        [message] = http_get(f"{daemon.api}/sessions/{session['id']}/messages").json()["messages"]
        responses = [http_get(f"{daemon.api}{part['url']}") for part in message["parts"]]
    assert [response.headers["Content-Type"] for response in responses] == [media for _, media in FILES.values()]
    assert not any("Set-Cookie" in response.headers for response in responses)


@pytest.mark.parametrize("url", ["a.png", f"/files/{'0' * 64}", f"https://example.com/{'a' * 70_000}"])
def test_file_with_an_invalid_name_is_reported(url: str, tmp_path: Path, import_: Import, exported: Exported) -> None:
    content = [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": url}}]
    source = tmp_path / "a.jsonl"
    source.write_bytes(lines({"messages": [{"role": "user", "content": content}]}))
    status, output = import_(source)
    assert "The url of a file must" in output
    assert status == 1
    message = exported()[1]["message"]
    assert message["content"] == "Look"
    assert message["parts"][-1]["name"] == "message.json"


def test_faults_have_file_and_line(tmp_path: Path, import_: Import, exported: Exported) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(lines(*CLAUDE_CODE[:3]) + b"{broken\n" + lines(code_line("u9", "gone", user("!"))))
    for _ in range(2):
        status, output = import_(file)
        assert status == 1
        assert f"{file}:4: The record is not JSON" in output
        assert f"{file}:5: The message before u9, gone, is missing" in output
    assert exported()[0]["session"]["messageCount"] == 3


@pytest.mark.parametrize("content", [b"", b"hello", b'{"a": 1}', b"PK\x03\x04 cut"])
def test_unrecognized_file_is_an_error(tmp_path: Path, import_: Import, content: bytes) -> None:
    file = tmp_path / "a"
    file.write_bytes(content)
    status, output = import_(file)
    assert status == 1
    assert output.splitlines()[-1].startswith("Error: ")
    assert str(file) in output


def test_unknown_format_is_named(tmp_path: Path, import_: Import) -> None:
    file = tmp_path / "a"
    file.write_bytes(SAMPLES["codex"]())
    status, output = import_("--format", "codes", file)
    assert (status, "No format is called 'codes'; known are auto, amplifierd, ai-sdk," in output) == (
        1,
        True,
    )
    assert import_("--format", "codex", file)[0] == 0


def test_agent_session_belongs_to_its_caller(tmp_path: Path, import_: Import, exported: Exported) -> None:
    for name, records in (("main", CLAUDE_CODE[:13]), ("agent", CLAUDE_CODE[13:15])):
        (tmp_path / f"{name}.jsonl").write_bytes(lines(*records))
    late = code_line("x3", "x2", reply("m6", text("More.")), isSidechain=True, agentId="ab12")
    assert import_(tmp_path / "agent.jsonl", tmp_path / "main.jsonl")[0] == 0
    (tmp_path / "agent.jsonl").write_bytes(lines(*CLAUDE_CODE[13:15], late))
    assert import_(tmp_path / "agent.jsonl", tmp_path / "main.jsonl")[0] == 0
    [agent] = [session for session in sessions_in(exported()) if "sidechain" in session["labels"]]
    assert (agent["parentSessionId"], agent["messageCount"]) == (SESSION, 3)
