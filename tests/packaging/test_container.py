"""The container: its file is valid, its build steps create an image that serves, and the page's manifests are valid."""

import fcntl
import pickle
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from amplifierd.commands.serve import serve
from daemon import http_get, http_post
from programs.container import Container, Stage, build, can_run, instructions
from waits import until

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "docker/Dockerfile"
PAGE = (ROOT / "docs/container.md").read_text()
PROGRAMS = Path(sys.executable).parent
# An unused user id, which has no name, home or group.
NOBODY = "12345:54321"
COMPOSE, *KUBERNETES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Stage:
    """The image of the Dockerfile, built once for all processes of a run."""
    if not can_run():
        pytest.skip("Without the right to make namespaces no container can be run here.")
    folder = tmp_path_factory.getbasetemp()
    # Next to the folders of the processes, if there are several.
    shared = folder if worker_id == "master" else folder.parent
    with (shared / "image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = shared / "image.pickle"
        if not made.exists():
            made.write_bytes(pickle.dumps(build(DOCKERFILE, ROOT, shared / "image")))
        stage: Stage = pickle.loads(made.read_bytes())  # noqa: S301  # written above
        return stage


@pytest.fixture
def volume(image: Stage, tmp_path: Path) -> Path:
    """An empty volume: an engine gives it the mode of the folder in the image."""
    folder = tmp_path / "volume"
    folder.mkdir()
    folder.chmod((image.root / "data").stat().st_mode)
    return folder


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def arguments_on_page(command: str) -> list[str]:
    """The arguments of a command of the page for the program in the container."""
    [line] = re.findall(rf"^docker run .*?amplifierd:/data amplifierd ({command}.*)$", PAGE, re.MULTILINE)
    return shlex.split(line)


@pytest.mark.timeout(900)
def test_any_user_can_serve_from_a_read_only_root(image: Stage, volume: Path) -> None:
    refused = Container(image, user=NOBODY, volume=volume).run()
    assert (refused.returncode, "keys create" in refused.stderr) == (1, True), refused.stderr
    created = Container(image, *arguments_on_page("keys create"), user=NOBODY, volume=volume).run()
    assert created.returncode == 0, created.stderr
    headers = {"Authorization": f"Bearer {created.stdout.strip()}"}
    port = free_port()
    with Container(image, user=NOBODY, volume=volume, environment={"AMPLIFIERD_PORT": str(port)}) as container:
        wait_until_healthy(container, image)
        api = f"http://127.0.0.1:{port}/api/v1"
        assert http_post(f"{api}/sessions", headers=headers).status_code == 201
        export = http_get(f"{api}/export", headers=headers)
        assert export.status_code == 200
        imported = http_post(
            f"{api}/import?on_conflict=skip",
            headers=headers | {"Content-Type": "application/x-ndjson"},
            content=export.content,
        )
        assert imported.status_code == 200, imported.text
        assert http_get(f"{api}/sessions").status_code == 401
        exit_code, log = container.stop()
    assert exit_code == 0, log
    assert "Traceback" not in log
    assert [path.name for path in volume.iterdir()] == ["amplifierd"], "All is in one folder of the volume."


@pytest.mark.timeout(900)
def test_daemon_for_a_test_run_is_reached_from_outside(image: Stage, volume: Path) -> None:
    port = free_port()
    arguments = ["serve", "--ephemeral", "--insecure-open"]
    environment = {"AMPLIFIERD_PORT": str(port)}
    with Container(image, *arguments, user=NOBODY, volume=volume, environment=environment) as container:
        wait_until_healthy(container, image)
        assert http_post(f"http://127.0.0.1:{port}/api/v1/sessions").status_code == 201
        assert container.stop()[0] == 0
    assert list(volume.iterdir()) == []


def wait_until_healthy(container: Container, image: Stage) -> None:
    def check() -> tuple[int, str, str]:
        ended = container.inside(image.health_check)
        return ended.returncode, ended.stdout, ended.stderr

    until(lambda: check() == (0, "healthy\n", ""), check)


def run(program: str, *arguments: str | Path) -> None:
    ended = subprocess.run([PROGRAMS / program, *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_linter_finds_nothing() -> None:
    run("hadolint", "--failure-threshold", "style", DOCKERFILE)


def test_copied_files_exist_and_are_in_the_context() -> None:
    sent = {line[1:] for line in (ROOT / "docker/Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    copied = {
        source
        for name, rest in instructions(DOCKERFILE)
        if name == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert copied == sent
    assert [source for source in copied if not (ROOT / source).exists()] == []


def test_manifests_follow_their_schemas(tmp_path: Path) -> None:
    compose = tmp_path / "compose.yaml"
    compose.write_text(COMPOSE)
    run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", compose)
    for number, manifests in enumerate(KUBERNETES):
        file = tmp_path / f"{number}.yaml"
        file.write_text(manifests)
        run("kubernetes-validate", "--strict", file)


@pytest.mark.parametrize("text", [PAGE, DOCKERFILE.read_text()], ids=["page", "Dockerfile"])
def test_named_settings_exist(text: str) -> None:
    settings = {f"AMPLIFIERD_{option.name.upper()}" for option in serve.params if option.name}
    assert set(re.findall(r"\bAMPLIFIERD_[A-Z_]*[A-Z]", text)) <= settings


def test_manifests_and_the_image_agree() -> None:
    """The user, the port, the volume and the paths of probes."""
    facts = dict(instructions(DOCKERFILE))
    paths = (ROOT / "openapi.yaml").read_text()
    for document in [each for text in KUBERNETES for each in yaml.safe_load_all(text) if each["kind"] == "Deployment"]:
        pod = document["spec"]["template"]["spec"]
        [container] = pod["containers"]
        # Otherwise a Service of this name sets the variable AMPLIFIERD_PORT, which is not a port.
        assert pod["enableServiceLinks"] is False
        assert str(pod["securityContext"]["runAsUser"]) == facts["USER"].split(":")[0]
        assert str(container["ports"][0]["containerPort"]) == facts["EXPOSE"]
        assert [mount["mountPath"] for mount in container["volumeMounts"]] == [facts["WORKDIR"]]
        for probe in ("livenessProbe", "readinessProbe"):
            path = container[probe]["httpGet"]["path"].removeprefix("/api/v1")
            assert re.search(rf"^  {path}:$", paths, re.MULTILINE)
