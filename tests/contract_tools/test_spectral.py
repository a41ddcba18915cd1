"""Spectral reports nothing about the contract, with its own rules and with those for OWASP's list of risks."""

import json
import shutil
from pathlib import Path

import pytest

from programs.contract_programs import PINS, node_modules, run_node_program

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / "openapi.yaml"


def findings(rules: str, contract: Path) -> list[str]:
    """The findings of the rules in a contract. The rules refer to packages and files next to them."""
    ruleset = shutil.copy(PINS / rules, node_modules().parent)
    beside = shutil.copy(contract, node_modules().parent)
    outcome = run_node_program("spectral", "lint", "--ruleset", ruleset, "--format", "json", "--quiet", beside)
    found = json.loads(outcome.stdout or "null")
    assert isinstance(found, list), outcome.stderr
    return [f"{each['code']} {'/'.join(map(str, each['path']))}: {each['message']}" for each in found]


@pytest.mark.parametrize("rules", ["spectral.yaml", "owasp.yaml"])
def test_contract_has_no_findings(rules: str) -> None:
    assert findings(rules, CONTRACT) == []


@pytest.mark.parametrize(
    ("rules", "before", "after", "code"),
    [
        ("spectral.yaml", "operationId: getHealth", "summary: Twice", "operation-operationId"),
        ("owasp.yaml", "maximum: 1000\n", "", "owasp:api4:2023-integer-limit-legacy"),
    ],
)
def test_defect_is_found(tmp_path: Path, rules: str, before: str, after: str, code: str) -> None:
    text = CONTRACT.read_text()
    assert before in text
    contract = tmp_path / "openapi.yaml"
    contract.write_text(text.replace(before, after, 1))
    assert code in " ".join(findings(rules, contract))
