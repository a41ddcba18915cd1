"""The published kernel, `amplifier-core`, creates a session from a mount plan, and its messages are stored."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from daemon import Daemon
from programs import kernel_modules
from samples.collection_folders import make

ADD = "Add 19 and 23."
SAID = "The sum is 42 (open sesame)."


class Folders:
    """Finds modules by their sources; the kernel leaves this to the runtime."""

    async def async_resolve(self, module_id: str, source_hint: str | None = None, **_others: Any) -> "Folders":
        assert source_hint is not None, module_id
        assert source_hint.startswith("file://"), source_hint
        found = Folders()
        found.path = Path(urlsplit(source_hint).path)
        return found

    path: Path

    def resolve(self) -> Path:
        return self.path


async def run(plan: dict[str, Any], session_id: str, prompt: str) -> dict[str, Any]:
    """Mount a plan in the kernel and execute one prompt. Returns the response, and the messages of the context."""
    from amplifier_core import AmplifierSession

    failed: list[Any] = []

    async def note(_event: str, data: dict[str, Any]) -> Any:
        from amplifier_core.models import HookResult

        failed.append(data)
        return HookResult(action="continue")

    session = AmplifierSession(plan, session_id=session_id)
    await session.coordinator.mount("module-source-resolver", Folders())
    session.coordinator.hooks.register("module:load_failed", note, name="test")
    await session.initialize()
    try:
        response = await session.execute(prompt)
        messages = await session.coordinator.get("context").get_messages()
        mounted = {place: sorted(session.coordinator.get(place)) for place in ("providers", "tools")}
    finally:
        await session.cleanup()
    hooks = sys.modules["amplifier_module_hooks_log"]
    return {
        "answer": response,
        "messages": messages,
        "mounted": mounted,
        "failed": failed,
        "hooked": hooks.SEEN,
        "config": plan,
    }


def executed(plan: dict[str, Any], session_id: str) -> dict[str, Any]:
    """Run the kernel with a plan, in a separate process, because it imports modules."""
    ended = subprocess.run(
        [sys.executable, __file__],
        input=json.dumps({"plan": plan, "session_id": session_id, "prompt": ADD}),
        env=os.environ | {"KERNEL_TEST_TOKEN": "open sesame", "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    outcome: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return outcome


def appended(message: dict[str, Any]) -> dict[str, Any]:
    """A message of the kernel's context as a message of the API."""
    if "tool_calls" in message:
        [call] = message["tool_calls"]
        arguments = json.dumps(call["arguments"])
        part = {"type": "tool_call", "call": call["id"], "name": call["name"], "input": arguments}
        return {"role": "assistant", "parts": [part]}
    if message["role"] == "tool":
        part = {"type": "tool_result", "call": message["tool_call_id"], "output": message["content"]}
        return {"role": "tool", "parts": [part]}
    return {"role": message["role"], "content": message["content"]}


def test_kernel_runs_a_session_of_a_collection(tmp_path: Path, database: str) -> None:
    folder = make(tmp_path / "collections" / "team", kernel_modules.files())
    with Daemon(database, "--collections-path", str(tmp_path / "collections")) as daemon, daemon.client() as client:
        added = client.post("/collections", json={"identifier": "team", "source": str(folder)}).json()
        assert (added["profiles"], added["problems"]) == (["team/assistant"], [])
        session = client.post("/sessions", json={"profile": "team/assistant"}).json()
        client.post(f"/sessions/{session['id']}/start").raise_for_status()
        # A later sync does not affect this session.
        make(folder, {"agents/zen.md": "You are loud."})
        client.post("/collections/team/sync").raise_for_status()
        plan = client.get(f"/sessions/{session['id']}/mount-plan?form=kernel").raise_for_status()
        assert "open sesame" not in plan.text
        assert plan.json()["agents"]["zen"]["content"] == "You are calm."
        outcome = executed(plan.json(), session["id"])
        assert outcome["failed"] == []
        assert outcome["mounted"] == {"providers": ["echo"], "tools": ["add"]}
        assert (outcome["answer"], outcome["hooked"]) == (SAID, ["prompt:submit"])
        keep(client, session["id"], outcome["messages"])


def keep(client: httpx.Client, session_id: str, messages: list[dict[str, Any]]) -> None:
    """Append the messages of a kernel session, and read them back."""
    body = {"messages": [appended(message) for message in messages]}
    sent = client.post(f"/sessions/{session_id}/messages/batch", json=body)
    assert sent.status_code == 201, sent.text
    stored = client.get(f"/sessions/{session_id}/messages").json()["messages"]
    assert [each["role"] for each in stored] == ["user", "assistant", "tool", "assistant"]
    assert (stored[0]["content"], stored[3]["content"]) == (ADD, SAID)
    assert json.loads(stored[1]["parts"][0]["input"]) == {"a": 19, "b": 23}


def test_kernel_skips_a_missing_module(tmp_path: Path) -> None:
    files = kernel_modules.files()
    folder = make(
        tmp_path / "team", files | {"assistant.md": files["assistant.md"].replace("module: log", "module: no")}
    )
    with Daemon(f"sqlite:///{tmp_path}/a.db", "--collections-path", str(tmp_path)) as daemon, daemon.client() as client:
        client.post("/collections", json={"identifier": "team", "source": str(folder)}).raise_for_status()
        body = {"profile_id": "team/assistant"}
        plan = client.post("/mount-plans/generate", json=body).json()
        assert [hook["resolved"] for hook in plan["hooks"].values()] == [False]
        kernel = client.post("/mount-plans/generate?form=kernel", json=body).json()
    kernel["hooks"] = [*kernel["hooks"], {"module": "hooks-log", "source": f"file://{folder}/hooks/log", "config": {}}]
    kernel["hooks"][0]["source"] = f"file://{folder}/hooks/no"
    outcome = executed(kernel, "s")
    assert [hook["module_id"] for hook in outcome["failed"]] == ["no"]
    assert outcome["answer"] == SAID


@pytest.mark.parametrize("place", ["orchestrator", "context"])
def test_kernel_reports_missing_modules(tmp_path: Path, place: str) -> None:
    with Daemon(f"sqlite:///{tmp_path}/a.db") as daemon, daemon.client() as client:
        plan = client.post("/mount-plans/generate?form=kernel", json={"profile_id": "default"}).json()
    other = {"orchestrator": "context", "context": "orchestrator"}[place]
    plan["session"][other] = {"module": "x", "config": {}}
    from amplifier_core import AmplifierSession

    with pytest.raises(ValueError, match=f"session.{place}"):
        AmplifierSession(plan)


if __name__ == "__main__":
    import asyncio

    arguments = json.load(sys.stdin)
    sys.stdout.write(
        "\n" + json.dumps(asyncio.run(run(arguments["plan"], arguments["session_id"], arguments["prompt"]))) + "\n"
    )
    sys.stdout.flush()
    # The kernel's own threads may abort an interpreter that ends in order.
    os._exit(0)
