"""The wheel, installed in an empty environment outside the checkout, serves a request and tests a storage."""

import re
import subprocess
import sys
import venv
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]


def test_wheel_serves(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--outdir", str(tmp_path / "dist"), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    [wheel] = (tmp_path / "dist").glob("*.whl")
    built = [str(file) for file in (tmp_path / "dist").iterdir()]
    checked = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *built], capture_output=True, text=True, check=False
    )
    assert (len(built), checked.returncode) == (2, 0), checked.stdout
    environment = tmp_path / "venv"
    # This environment's pip fills it, so that pip need not be installed first; unused modules need not be compiled.
    venv.create(environment, with_pip=False)
    python = str(environment / "bin/python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-compile"]
    subprocess.run([*install, f"{wheel}[storage-test]"], check=True, capture_output=True, cwd=tmp_path)
    suite = ["--pyargs", "amplifierd.testing.storage.sessions", "--storage", "memory://{name}"]
    command = [python, "-m", "pytest", "-q", *suite]
    tested = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    serve = [str(environment / "bin/amplifierd"), "serve", "--port", "0", "--database", f"sqlite:///{tmp_path}/a.db"]
    with subprocess.Popen(serve, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stderr is not None
        output = "".join(process.stderr.readline() for _ in range(3))
        try:
            assert output.startswith("amplifierd listens on "), output
            address = re.search(r"http://[\d.:]+/api/v1", output)
            assert address is not None, output + process.stderr.read()
            assert httpx.post(f"{address[0]}/sessions").status_code == 201
            assert httpx.get(f"{address[0]}/../../docs").status_code == 200
            assert "/main.js" in httpx.get(f"{address[0]}/../../", headers={"Accept": "text/html"}).text
            assert httpx.get(f"{address[0]}/../../web/main.js").status_code == 200
        finally:
            process.terminate()
    assert process.returncode == 0
