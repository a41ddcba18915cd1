"""Makes mount plans from a profile and the targets of its references; the same input gives the same plan.

A plan lists each part that a session runs with: its modules with their sources and configurations, and the texts of its
agents and its context. A session of `amplifier-core` is made from the kernel's form.
"""

import posixpath
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import islice, takewhile

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ...contract import Problem, Violation, encode_text, pointer_to
from ...storage.model.modules import (
    AgentOverlay,
    AgentOverlays,
    KernelAgent,
    KernelModule,
    KernelPlan,
    KernelSession,
    KernelSettings,
    Module,
    Mount,
    MountedModule,
    MountPlan,
    PlanSession,
    PlanSources,
    Use,
    modules_used,
)
from ...storage.model.profile_records import SessionConfig

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_SUFFIX = ".md"
_NO_CONFIG = Raw(b"{}")
_UNCHANGED = AgentOverlay()
_MAX_LISTED = 100
# The limit of all texts and configurations of agents in a plan; each part counts 100 characters more. Many references
# may lead to the same text, and many agents may have the same configuration.
MAX_CHARACTERS = 8 * 1024 * 1024
_PART_CHARACTERS = 100


def mount_plan(
    sources: PlanSources, session: PlanSession, installed: Mapping[str, Module], overlay: AgentOverlays
) -> MountPlan:
    """The plan of a session.

    `installed` has the modules of packages, for a session that keeps none. `overlay` changes, removes and adds agents.
    Raises a problem, 422, if it does not match the profile, or the plan has more than `MAX_CHARACTERS`.
    """
    profile = sources.profile
    names = _Names(profile.name)
    texts = _Texts(sources.texts)
    agents = [*_agents(texts, profile.agents, names, overlay)]
    context = [*_context(texts, profile.context, names)]
    modules = [(use, _module(sources, use, installed, names)) for use in modules_used(profile)]
    by_type = {kind: [mount for use, mount in modules if use.type == kind] for kind in ("provider", "tool", "hook")}
    own = {use.pointer: mount for use, mount in modules}
    config = profile.session if isinstance(profile.session, SessionConfig) else None
    return MountPlan(
        session=msgspec.structs.replace(
            session,
            injection_size_limit=UNSET if config is None else config.injection_size_limit,
            injection_budget_per_turn=UNSET if config is None else config.injection_budget_per_turn,
        ),
        instructions=profile.instructions,
        mount_points=[*agents, *context, *by_type["provider"], *by_type["tool"], *by_type["hook"]],
        orchestrator=own.get("/session/orchestrator", UNSET),
        context_manager=own.get("/session/context_manager", UNSET),
        agents=_by_id(agents),
        context=_by_id(context),
        providers=_by_id(by_type["provider"]),
        tools=_by_id(by_type["tool"]),
        hooks=_by_id(by_type["hook"]),
    )


def kernel_plan(plan: MountPlan) -> KernelPlan:
    """The plan in the kernel's form; its agents and context omit parts without a text."""
    session = plan.session
    return KernelPlan(
        session=KernelSession(
            orchestrator=_kernel_module(plan.orchestrator) if isinstance(plan.orchestrator, Mount) else UNSET,
            context=_kernel_module(plan.context_manager) if isinstance(plan.context_manager, Mount) else UNSET,
            injection_size_limit=session.injection_size_limit,
            injection_budget_per_turn=session.injection_budget_per_turn,
            settings=KernelSettings(
                amplified_dir=session.amplified_dir,
                profile_name=session.profile_id,
                profile_version=session.profile_version,
            ),
        ),
        providers=[_kernel_module(mount) for mount in plan.providers.values()],
        tools=[_kernel_module(mount) for mount in plan.tools.values()],
        hooks=[_kernel_module(mount) for mount in plan.hooks.values()],
        agents=_kernel_texts(plan.agents),
        context=_kernel_texts(plan.context),
        instructions=plan.instructions,
    )


class _Names:
    """Unique ids of mounts: the second one with the same name gets a number."""

    def __init__(self, profile: str) -> None:
        self._profile = profile
        self._taken: set[str] = set()
        # The last number of each name: to look for it from the first on would take a second for 3,000 mounts of one.
        self._numbers: dict[str, int] = {}

    def of_text(self, kind: str, name: str) -> str:
        """The id of a text of a kind."""
        return self.distinct(f"{self._profile}.{kind}.{name}")

    def distinct(self, name: str) -> str:
        """An id that no other mount has."""
        number, found = self._numbers.get(name, 1), name
        while found in self._taken:
            number += 1
            found = f"{name}.{number}"
        self._numbers[name] = number
        self._taken.add(found)
        return found


# The target of a reference: its name, its text and its place.
_File = tuple[str, str | UnsetType, str | UnsetType]


class _Texts:
    """Finds the targets of references, up to the limit of a plan."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._paths = sorted(texts)
        self._left = MAX_CHARACTERS

    def named(self, name: str, reference: str) -> Iterator[_File]:
        """The targets of a reference: several for a folder, one without a text if it is unknown."""
        path = reference if _URL.match(reference) else posixpath.normpath(reference)
        if path in self._texts:
            yield self._take_file(name, path)
            return
        below = "" if path == "." else f"{path}/"
        is_known = False
        for file in self._below(below):
            is_known = True
            inner = file.removeprefix(below).removesuffix(_SUFFIX).replace("/", ".")
            yield self._take_file(f"{name}.{inner}", file)
        if not is_known:
            self.take(0)
            yield name, UNSET, reference

    def take(self, size: int) -> None:
        """Count a part of the plan with this size. Raises a problem, 422, if the plan is too large."""
        self._left -= size + _PART_CHARACTERS
        if self._left < 0:
            raise Problem(
                422,
                "mount-plan-too-large",
                f"The texts and agents of the plan have more than {MAX_CHARACTERS} characters; use fewer references, "
                "or give fewer agents a config",
            )

    def _take_file(self, name: str, path: str) -> _File:
        self.take(len(self._texts[path]))
        return name, self._texts[path], path

    def _below(self, prefix: str) -> Iterator[str]:
        following = islice(self._paths, bisect_left(self._paths, prefix), None)
        return takewhile(lambda file: file.startswith(prefix), following)


def _agents(texts: _Texts, references: Mapping[str, str], names: _Names, overlays: AgentOverlays) -> Iterator[Mount]:
    """The mounts of agents, in the order of the names of references and new agents.

    An overlay of a reference changes every agent to which it leads; the overlay of a single agent takes precedence.
    Raises a problem, 422, if an overlay removes an agent that the profile lacks, or adds one without a text.
    """
    found = {name: [*texts.named(name, reference)] for name, reference in references.items()}
    own = {agent for files in found.values() for agent, _, _ in files}
    _check_overlays(overlays, {*found, *own})
    for name in sorted({*found, *(overlays.keys() - own)}):
        overlay = overlays.get(name, _UNCHANGED)
        files = found.get(name, [])
        if overlay is not None and isinstance(overlay.content, str) and name not in (agent for agent, _, _ in files):
            texts.take(len(overlay.content))
            files = [(name, overlay.content, UNSET)]
        for file in files:
            yield from _agent(texts, names, file, (overlays.get(file[0], overlay), overlay))


def _agent(
    texts: _Texts, names: _Names, file: _File, overlays: tuple[AgentOverlay | None, AgentOverlay | None]
) -> Iterator[Mount]:
    """The mount of an agent; none if it is removed. The first overlay takes precedence over the second."""
    if overlays[0] is None:
        return
    own, others = overlays[0], overlays[1] or _UNCHANGED
    if isinstance(own.content, str):
        texts.take(len(own.content))
        file = file[0], own.content, UNSET
    config = others.config if own.config is UNSET else own.config
    if isinstance(config, Raw):
        texts.take(memoryview(config).nbytes)
    yield msgspec.structs.replace(_text(names, "agent", file), config=config)


def _check_overlays(overlays: AgentOverlays, known: set[str]) -> None:
    """Check the overlays of agents that a profile lacks. Raises a problem."""
    violations = []
    for name, overlay in overlays.items():
        if name not in known and (overlay is None or overlay.content is UNSET):
            need = "there is no agent to remove" if overlay is None else "a new agent needs a content"
            violations.append(Violation(pointer_to(["agent_overlay", name]), f"is not an agent of the profile: {need}"))
    if violations:
        first = violations[0]
        raise Problem(
            422,
            "invalid-body",
            f"The body is invalid: {first.pointer} {first.detail}.",
            errors=violations[:_MAX_LISTED],
        )


def _context(texts: _Texts, references: Mapping[str, str], names: _Names) -> Iterator[Mount]:
    """The mounts of references in the order of their names."""
    for name, reference in sorted(references.items()):
        yield from (_text(names, "context", file) for file in texts.named(name, reference))


def _text(names: _Names, kind: str, file: _File) -> Mount:
    name, content, source = file
    is_known = isinstance(content, str)
    return Mount(
        mount_type="embedded" if is_known else "referenced",
        module_id=names.of_text(kind, name),
        module_type=kind,
        name=name,
        resolved=is_known,
        # In pieces: one call for a plan with long texts would hold the GIL for a tenth of a second.
        content=encode_text(content) if isinstance(content, str) else UNSET,
        source=source,
    )


def _module(sources: PlanSources, use: Use, installed: Mapping[str, Module], names: _Names) -> Mount:
    found = sources.mounted.modules.get(use.key)
    if found is None and sources.mounted.includes_installed is not True:
        found = _mounted(use, installed)
    source = use.module.source
    if found is not None:
        source = sources.mounted.sources.get(found.id) or (source if isinstance(source, str) else found.location)
    return Mount(
        mount_type="referenced",
        module_id=names.distinct(use.module.module if found is None else found.id),
        module_type=use.type,
        name=use.module.module if found is None else found.name,
        resolved=found is not None,
        source=source,
        version=UNSET if found is None else found.version,
        entry_point=UNSET if found is None else found.entry_point,
        config=use.module.config,
    )


def _mounted(use: Use, installed: Mapping[str, Module]) -> MountedModule | None:
    module = use.among(installed)
    if module is None:
        return None
    return MountedModule(**{name: getattr(module, name) for name in MountedModule.__struct_fields__})


def _by_id(mounts: list[Mount]) -> dict[str, Mount]:
    return {mount.module_id: mount for mount in mounts}


def _kernel_module(mount: Mount) -> KernelModule:
    config = mount.config if isinstance(mount.config, Raw) else _NO_CONFIG
    return KernelModule(mount.name, mount.source, config)


def _kernel_texts(mounts: Mapping[str, Mount]) -> dict[str, KernelAgent]:
    return {
        mount.name: KernelAgent(mount.content, {"source": mount.source or ""}, mount.config)
        for mount in mounts.values()
        if isinstance(mount.content, Raw)
    }
