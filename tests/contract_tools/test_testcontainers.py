"""The examples for Testcontainers compile against its libraries; no container engine runs here."""

import re
import shutil
import subprocess
from pathlib import Path

from programs.contract_programs import PINS, node_modules, run_node_program

PAGE = (Path(__file__).parents[2] / "docs/container.md").read_text()


def example(language: str) -> str:
    [text] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(text)


def test_java_compiles(tmp_path: Path) -> None:
    sources = tmp_path / "src/main/java"
    sources.mkdir(parents=True)
    (sources / "AmplifierdContainer.java").write_text(example("java"))
    shutil.copy(PINS / "testcontainers.xml", tmp_path / "pom.xml")
    outcome = subprocess.run(
        ["mvn", "--batch-mode", "--quiet", "compile"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_typescript_compiles() -> None:
    source = node_modules().parent / "testcontainers.mts"
    source.write_text(example("ts"))
    options = ["--strict", "--noEmit", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"]
    outcome = run_node_program("tsc", *options, source)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
