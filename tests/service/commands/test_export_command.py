"""`amplifierd export` in other formats: content round-trips, and what a format cannot express is reported."""

import base64
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from amplifierd.storage.values.quantities import quantity
from daemon import Daemon
from fork_server import run_amplifierd
from samples.histories import SAMPLES, lines
from samples.published_blocks import ANTHROPIC_BLOCKS, OPENAI_CHAT

Object = dict[str, Any]
Run = Callable[..., tuple[int, str, str]]

IMAGE = f"data:image/png;base64,{base64.b64encode(b'png' * 30_000).decode()}"
SOURCES: dict[str, list[Object]] = {
    "openai": [
        {"messages": OPENAI_CHAT, "tools": [], "id": "conv-1"},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": IMAGE}}]}], "title": "P"},
        {"messages": [{"role": "user", "content": []}, {"role": "user", "content": ""}]},
    ],
    "anthropic": [
        {"system": "Be brief.", "messages": [{"role": "user", "content": ANTHROPIC_BLOCKS}], "max_tokens": 5},
        {"system": [], "messages": [{"role": "user", "content": "Hello!"}], "id": "a-2"},
        {"system": [{"type": "text", "text": "Be brief."}], "messages": [{"role": "user", "content": []}]},
    ],
    "sharegpt": [{"id": "x", "conversations": [{"from": "human", "value": "Hi", "weight": 1}, {"from": "gpt"}]}],
}


@pytest.fixture(scope="module")
def daemon(sqlite_daemon: Daemon) -> Daemon:
    return sqlite_daemon


def running(daemon: Daemon, workspace: str, data: Path) -> Run:
    """Runs commands on a workspace. Returns the exit status, standard output and standard error of each."""

    def ran(command: str, *arguments: str | Path, workspace: str = workspace) -> tuple[int, str, str]:
        options = ["--database", daemon.database, "--workspace", workspace]
        env = os.environ | {"XDG_DATA_HOME": str(data)}
        outcome = run_amplifierd(command, *options, *map(str, arguments), env=env)
        return outcome.returncode, outcome.stdout, outcome.stderr

    return ran


@pytest.fixture
def run(tmp_path: Path, daemon: Daemon, workspace: str) -> Run:
    """Runs commands on a workspace that only this test uses."""
    return running(daemon, workspace, tmp_path / "data")


def without_member(record: Object) -> Object:
    """A record without the extra member `amplifierd`."""
    return {name: value for name, value in record.items() if name != "amplifierd"}


def by_text(records: list[Object]) -> list[Object]:
    """Records in a defined order."""
    return sorted(records, key=lambda record: json.dumps(record, sort_keys=True))


@pytest.mark.parametrize("name", SOURCES)
def test_records_round_trip(name: str, tmp_path: Path, run: Run) -> None:
    source = tmp_path / "source.jsonl"
    source.write_bytes(lines(*SOURCES[name]))
    assert run("import", source)[0] == 0
    status, text, errors = run("export", "--format", name, "--files")
    assert status == 0, errors
    records = [without_member(json.loads(line)) for line in text.splitlines()]
    expected = SOURCES[name]
    if name == "sharegpt":
        # An import gives a turn without text an empty text.
        expected = [{**expected[0], "conversations": [expected[0]["conversations"][0], {"from": "gpt", "value": ""}]}]
    assert by_text(records) == by_text(expected)


@pytest.mark.parametrize("name", SOURCES)
def test_import_of_an_export_has_the_same_messages(name: str, tmp_path: Path, run: Run, workspace: str) -> None:
    sources = []
    for sample in SAMPLES:
        sources.append(tmp_path / sample)
        sources[-1].write_bytes(SAMPLES[sample]())
    assert run("import", *sources)[0] == 0
    export = tmp_path / "export.jsonl"
    assert run("export", "--format", name, export)[0] == 0
    # An import into the same workspace changes nothing.
    status, _, errors = run("import", export)
    assert (status, "Imported 0 sessions, extended 0, with 0 messages" in errors) == (0, True), errors
    other = f"{workspace[:50]}-other"
    assert run("import", export, workspace=other)[0] == 0
    assert messages_of(run("export", workspace=other)[1], name) == messages_of(run("export")[1], name)


def messages_of(export: str, name: str) -> list[Object]:
    """The messages of an export without format-specific data, and the names of sessions and forks."""
    found = []
    for line in map(json.loads, export.splitlines()):
        if "session" in line:
            session = line["session"]
            found.append({key: session.get(key) for key in ("id", "name", "createdAt", "parentSessionId", "pinned")})
        elif "message" in line:
            message = line["message"]
            message["metadata"].pop({"openai": "openai-chat"}.get(name, name), None)
            found.append(message)
    return found


TIME = "2026-03-01T10:00:00.000000Z"
IDS = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(3)]
SECRET = base64.b64encode(b"secret").decode()
FILE = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"


def session_line(number: int, messages: int, **members: Any) -> Object:
    """An export line of a session; a higher number is a later session."""
    time = TIME.replace("03-01", f"03-0{number + 1}")
    counts = {"messageCount": messages, "tokenUsage": 0, "version": messages + 1}
    times = {"createdAt": time, "updatedAt": time}
    fixed = {"id": IDS[number], "status": "active", "profile": "default", "context": {}, "amplifiedDir": "."}
    return {"session": fixed | times | counts | members}


def message_line(sequence: int, role: str, content: str, **members: Any) -> Object:
    """An export line of a message."""
    fixed = {"role": role, "content": content, "timestamp": TIME, "metadata": {}, "sequence": sequence}
    return {"message": fixed | members}


REASONING = [{"type": "reasoning", "text": "Hm."}, {"type": "data", "kind": "a.b", "value": 1}]
ATTACHMENT = [
    {"type": "text", "text": "See"},
    {"type": "file", "media": "text/plain", "url": f"/files/{FILE}", "name": "a.txt"},
]
EXPORT = [
    {"header": {"format": "amplifierd-export", "version": 2}},
    session_line(0, 2, name="CON: a/b\\c?\u202e é", labels={"topic": "sea"}, context={"task": "docs"}),
    message_line(1, "user", "Rain?"),
    message_line(2, "assistant", "", parts=REASONING, model="m-1", usage={"inputTokens": 5}),
    session_line(1, 1, name="CON: a b c?\u202e é", archived=True, parentSessionId=IDS[0]),
    message_line(1, "user", "See", parts=ATTACHMENT, metadata={"x": 1}),
    session_line(2, 0),
    {"file": {"id": FILE, "media": "text/plain", "size": 6}},
    {"chunk": {"data": SECRET}},
    {"end": {"sessions": 3, "messages": 3, "files": 1}},
]
EXPORT[1]["session"]["usage"] = {"inputTokens": 5, "outputTokens": 0, "cachedTokens": 0, "reasoningTokens": 0}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, daemon: Daemon) -> Run:
    """Runs commands on a workspace with three sessions, which no test modifies."""
    folder = tmp_path_factory.mktemp("filled")
    run = running(daemon, "filled", folder)
    source = folder / "source.ndjson"
    source.write_bytes(lines(*EXPORT))
    status, _, errors = run("import", source)
    assert status == 0, errors
    return run


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ([], [0, 1, 2]),
        (["--session", IDS[1].upper()], [1]),
        (["--ids", IDS[2], "--ids", IDS[0]], [0, 2]),
        (["--label", "topic:sea"], [0]),
        (["--archived"], [1]),
        (["--no-archived", "--roots"], [0, 2]),
        (["--created-after", "2026-03-02T11:00:00+01:00", "--updated-before", "2026-03-03T10:00:01Z"], [2]),
        (["--name", "con"], [0, 1]),
        (["--parent-session-id", IDS[0]], [1]),
        (["--status", "failed", "--status", "completed"], []),
        (["--profile", "default", "--amplified-dir", ".", "--recursive", "--no-pinned"], [0, 1, 2]),
    ],
    ids=lambda value: " ".join(value) if value and isinstance(value[0], str) else "",
)
def test_filters_select_sessions(options: list[str], numbers: list[int], filled: Run) -> None:
    status, text, errors = filled("export", "--files", *options)
    assert (status, f"Exported {quantity(len(numbers), 'session')}." in errors) == (0, True), errors
    found = [*map(json.loads, text.splitlines())]
    assert [line["session"]["id"] for line in found if "session" in line] == [IDS[number] for number in numbers]
    counts = {"sessions": len(numbers), "messages": len([0 for line in found if "message" in line])}
    assert found[-1] == {"end": counts | {"files": int(1 in numbers)}}


def test_export_of_some_sessions_is_imported(tmp_path: Path, filled: Run, workspace: str) -> None:
    export, other = tmp_path / "export.ndjson", f"{workspace[:50]}-other"
    assert filled("export", "--files", "--name", "con", export)[0] == 0
    assert filled("import", export, workspace=other)[0] == 0
    assert filled("export", "--files", workspace=other)[1] == filled("export", "--files", "--name", "con")[1]


@pytest.mark.parametrize(
    ("name", "kept", "left_out"),
    [
        ("openai", "1 parts of the type data, 1 parts of the type file", "1 files"),
        ("anthropic", "1 parts of the type data, 1 parts of the type file", "1 files"),
        ("sharegpt", "1 parts of the type data, 1 parts of the type file, 1 parts of the type reasoning", "1 files"),
    ],
)
def test_record_reports_its_losses(name: str, kept: str, left_out: str, filled: Run) -> None:
    status, text, errors = filled("export", "--format", name)
    assert status == 0
    assert f"The format has no place for these; the member amplifierd has them: {kept}.\n" in errors
    assert f"Left out: {left_out}.\n" in errors
    # Each record lists its own losses.
    losses = [json.loads(line)["amplifierd"].get("losses", {}) for line in text.splitlines()]
    kinds = Counter(f"{count} {kind}" for each in losses for kind, count in each.get("kept", {}).items())
    assert sorted(kinds) == kept.split(", ")
    assert [each["leftOut"] for each in losses if "leftOut" in each] == [{"files": 1}]


def test_markdown_is_a_folder_of_files(tmp_path: Path, filled: Run) -> None:
    folder = tmp_path / "deep" / "folder"
    status, _, errors = filled("export", "--format", "markdown", "--files", "--output", folder)
    assert (status, "Left out: 1 contexts, 1 metadata of messages." in errors) == (0, True), errors
    names = [f"CON-a-b-c-é-{IDS[0]}.md", f"CON-a-b-c-é-{IDS[1]}.md", f"{IDS[2]}.md"]
    assert sorted(path.name for path in folder.glob("*.md")) == sorted(names)
    _, front, transcript = (folder / names[0]).read_text().split("---\n", 2)
    found = yaml.safe_load(front)
    assert (found["id"], found["name"], found["labels"]) == (IDS[0], "CON: a/b\\c?\u202e é", {"topic": "sea"})
    assert (found["usage"]["inputTokens"], found["created"], found["directory"]) == (5, TIME, ".")
    assert "## 1. user, 2026-03-01 10:00:00 UTC\n\nRain?\n" in transcript
    attached = (folder / names[1]).read_text()
    assert f"[a.txt](<files/{FILE}.txt>)" in attached
    comments = {name: (folder / name).read_text().partition("<!-- ")[2] for name in names}
    left_out = ["Left out: 1 contexts. -->\n", "Left out: 1 metadata of messages. -->\n"]
    assert sorted(comments.values()) == ["", *left_out]
    assert (folder / "files" / f"{FILE}.txt").read_bytes() == b"secret"
    assert yaml.safe_load(attached.split("---\n")[1])["parent"] == IDS[0]
    # An export of one session has the usual form.
    status, text, _ = filled("export", "--format", "markdown", "--session", IDS[0])
    assert text == (folder / names[0]).read_text()


def test_html_page_is_one_file(tmp_path: Path, filled: Run) -> None:
    folder = tmp_path / "pages"
    status, _, errors = filled("export", "--format", "html", "--output", folder)
    assert (status, "Exported 3 sessions." in errors) == (0, True), errors
    pages = {path.name: path.read_text() for path in folder.iterdir()}
    assert f"CON-a-b-c-é-{IDS[0]}.html" in pages
    assert len(pages) == 3
    status, page, _ = filled("export", "--format", "html", "--session", IDS[0])
    assert (status, page) == (0, pages[f"CON-a-b-c-é-{IDS[0]}.html"])
    assert "<p>Rain?</p>" in page


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--format", "docx"], "No format is called 'docx'; known are amplifierd, anthropic, "),
        (["--format", "markdown"], "name a folder with --output"),
        (["--format", "openai", "--output", "x"], "is written to one FILE"),
        (["--session", IDS[0], "--archived"], "leave out the filters"),
        (["--session", "5"], "'5' is not the id of a session"),
        (["--session", IDS[0].replace("4", "5")], f"Session {IDS[0].replace('4', '5')} not found"),
        (["--format", "openai", "--session", IDS[0].replace("4", "5")], "not found"),
        (["--created-after", "yesterday"], "'yesterday' is not a time"),
        (["--label", "", *["--label", "a"] * 4], "At most 4 labels"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_usage_mistake_is_one_sentence(options: list[str], words: str, filled: Run, tmp_path: Path) -> None:
    status, text, errors = filled("export", *options)
    assert (status != 0, text) == (True, "")
    assert words in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "x").exists()
