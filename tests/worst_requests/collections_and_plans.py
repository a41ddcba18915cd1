"""The most expensive requests for collections, modules and mount plans."""

from worst_requests.clients import Ask
from worst_requests.data import Data

_FILES = 10_000
_PROFILES = 200
_MODULES = 500
_PROFILE = """\
---
profile: {{name: p{number}, version: 1.0.0, schema_version: 2}}
tools: [{tools}]
{more}---
"""


def syncs(data: Data) -> list[Ask]:
    files = {f"context/{number % 100}/{number}.md": "x" for number in range(_FILES - _PROFILES - _MODULES)}
    identifier = data.collection("many-files", files | _modules() | _profiles(10))
    syncs = [Ask("POST", f"/collections/{identifier}/sync"), Ask("POST", "/collections/sync")]
    # The server reads the source before it finds that the identifier is in use.
    return [*syncs * 3, Ask.of_json("POST", "/collections", {"identifier": "other", "source": data.source(identifier)})]


def lists_of_modules(data: Data) -> list[Ask]:
    for number in range(max(2, round(200 * data.scale))):
        data.collection(f"modules-{number}", _modules())
    kinds = ("", "/tools", "/providers", "/hooks", "/orchestrators", "/contexts", "?type=tool", "/tools?limit=1000")
    return [Ask("GET", f"/modules{kind}") for kind in kinds]


def plans_of_sessions(data: Data) -> list[Ask]:
    texts = {f"context/{number}.md": "\n" * 5_000 for number in range(100)}
    identifier = data.collection(
        "long-texts", texts | _modules() | _profiles(_MODULES, "context: [context]\n", count=1)
    )
    session_id = data.session(profile=f"{identifier}/p0")
    forms = ("", "?form=kernel")
    return [Ask("GET", f"/sessions/{session_id}/mount-plan{form}") for form in forms] * 4


def plans_of_one_text_many_times(data: Data) -> list[Ask]:
    texts = {"long.md": "x" * 500_000} | {f"team/{number}.md": "" for number in range(2_000)}
    identifier = data.collection("one-text", texts | _profiles(0, "agents: {team: team, one: long.md}\n", count=1))
    overrides = {"agents": {f"a{number}": "long.md" for number in range(10_000)}}
    session_id = data.session(profile=f"{identifier}/p0", settings_overrides=overrides)
    overlay = {"team": {"config": {"text": "x" * 4_000_000}}}
    generate = {"profile_id": f"{identifier}/p0", "agent_overlay": overlay}
    requests = [
        Ask("GET", f"/sessions/{session_id}/mount-plan"),
        Ask.of_json("POST", "/mount-plans/generate", generate),
    ]
    return requests * 4


def sources_beside_many_profiles(data: Data) -> list[Ask]:
    data.profiles(round(100_000 * data.scale), "many", {"tools": [{"module": "x"}]})
    identifier = data.collection("sources", _modules())
    targets = [f"/modules/{identifier}/tool/t{number}/sources" for number in range(8)]
    return [Ask.of_json("PUT", target, {"source": "git+https://example.com/x"}) for target in targets]


def deletions_of_collections(data: Data) -> list[Ask]:
    names = [data.collection(f"deleted-{number}", _modules() | _profiles(10)) for number in range(8)]
    return [Ask("DELETE", f"/collections/{name}", repeats=False) for name in names]


def _modules() -> dict[str, str]:
    schema = "config_schema: {properties: {a: {type: integer}}}\n"
    return {f"tools/t{number}/module.yaml": f"name: t{number}\n{schema}" for number in range(_MODULES)}


def _profiles(tools: int, more: str = "", *, count: int = _PROFILES) -> dict[str, str]:
    named = ", ".join(f"{{module: t{number}, config: {{a: 1}}}}" for number in range(tools))
    return {f"p{place}.md": _PROFILE.format(number=place, tools=named, more=more) for place in range(count)}
