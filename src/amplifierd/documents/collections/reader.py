"""Reads the content of a collection: its profiles, and the paths of its agents, context and modules.

    *.md                              profiles (see profile_file); files that do not begin with --- are ignored
    agents/*.md                       agents
    context/**/*.md                   context
    {providers,tools,hooks,orchestrators,contexts}/{name}/module.yaml

An unusable file is reported as a problem; the other files are used.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec import UNSET

from ...contract import DecodedBody, DecodeError, Problem, RecordReader, yield_after
from ...storage.model.collections import CollectionProblem
from ...storage.model.modules import Module
from ...storage.model.profile_records import ModuleConfig, NewProfile, NewSessionConfig
from ..modules.configurations import check_configurations
from ..modules.module_file import MAX_BYTES as MAX_MODULE_BYTES
from ..modules.module_file import TYPES, read_module
from ..profile_file import MAX_CHARACTERS, read_profile
from .folder import Folder, FolderError, scan
from .texts import ReferredTexts

MAX_PROFILES = 200
MAX_MODULES = 500
# The limit of all profiles together: each is parsed.
MAX_PROFILE_BYTES = 4 * 1024 * 1024

_SEGMENT = re.compile(r"[a-z0-9-]{1,64}")
_RESERVED = ("activate", "copy")
_AGENT = re.compile(r"agents/[^/]+\.md")
_CONTEXT = re.compile(r"context/.+\.md")
_MODULE = re.compile(rf"({'|'.join(TYPES)})/([A-Za-z0-9][A-Za-z0-9._-]{{0,63}})/module\.yaml")
_FENCE = b"---"
_MAX_DETAIL_CHARACTERS = 1_000


@dataclass(slots=True)
class Contents:
    """The content of a collection; profiles have their names inside of the collection."""

    profiles: list[NewProfile] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    context: list[str] = field(default_factory=list)
    # Locations are paths in the collection.
    modules: list[Module] = field(default_factory=list)
    problems: list[CollectionProblem] = field(default_factory=list)
    # The texts to which profiles refer, by the profile's name and the text's path.
    texts: dict[str, dict[str, str]] = field(default_factory=dict)


class _Unusable(Exception):
    """A file that cannot be used, with the reason, and the line if there is one."""

    def __init__(self, detail: str, line: int | None = None) -> None:
        super().__init__(detail)
        self.line = line


async def read_contents(path: Path, name: str, records: RecordReader, progressed: Callable[[], None]) -> Contents:
    """Read the collection `name` from a folder, one file at a time; `records` reads the requests to create profiles.

    Raises `FolderError`.
    """
    folder = await asyncio.to_thread(scan, path)
    progressed()
    contents = Contents(
        agents=[file for file in folder.files if _AGENT.fullmatch(file)],
        context=[file for file in folder.files if _CONTEXT.fullmatch(file)],
        problems=folder.problems,
    )
    for file in filter(_MODULE.fullmatch, folder.files):
        module = await asyncio.to_thread(_read_module, folder, name, file, len(contents.modules))
        progressed()
        if module is not None:
            contents.modules.append(module)
    reader = _ProfileReader(folder, name, records, {module.id: module for module in contents.modules})
    for file in folder.files:
        if "/" not in file and file.endswith(".md"):
            profile = await asyncio.to_thread(reader.read, file)
            progressed()
            if profile is not None:
                contents.profiles.append(profile)
                contents.texts[profile.name] = reader.texts
    return contents


def _read_module(folder: Folder, name: str, file: str, count: int) -> Module | None:
    """The module in a file; None if the file is unusable, which is recorded as a problem."""
    started = time.perf_counter()
    kind, own = file.split("/")[:2]
    try:
        if count >= MAX_MODULES:
            raise _Unusable(f"The collection has more than {MAX_MODULES} modules")
        text = folder.read(file, MAX_MODULE_BYTES).decode()
        return read_module(text, f"{name}/{TYPES[kind]}/{own}", TYPES[kind], f"{kind}/{own}")
    except FolderError as error:
        folder.add_problem(str(error), file)
    except UnicodeDecodeError as error:
        folder.add_problem(f"It is not UTF-8 at byte {error.start}", file)
    except DecodeError as error:
        folder.add_problem(_sentence(str(error))[:_MAX_DETAIL_CHARACTERS], file, error.line)
    except _Unusable as error:
        folder.add_problem(str(error), file)
    finally:
        yield_after(started)
    return None


class _ProfileReader:
    """Reads the profiles of a folder one after another, within limits for all of them together."""

    def __init__(self, folder: Folder, name: str, records: RecordReader, modules: Mapping[str, Module]) -> None:
        self._folder = folder
        self._modules = modules
        self._name = name
        self._records = records
        self._texts = ReferredTexts(folder)
        # The texts of the last profile.
        self.texts: dict[str, str] = {}
        self._bytes = 0
        self._files: dict[str, str] = {}

    def read(self, file: str) -> NewProfile | None:
        """The profile in a file; None if it has none, or the file is unusable, which is recorded as a problem."""
        started = time.perf_counter()
        try:
            return self._read(file)
        except FolderError as error:
            self._folder.add_problem(str(error), file)
        except _Unusable as error:
            self._folder.add_problem(str(error)[:_MAX_DETAIL_CHARACTERS], file, error.line)
        finally:
            yield_after(started)
        return None

    def _read(self, file: str) -> NewProfile | None:
        data = self._folder.read(file, MAX_CHARACTERS)
        if not data.removeprefix(b"\xef\xbb\xbf").startswith(_FENCE):
            return None
        self._bytes += len(data)
        if len(self._files) >= MAX_PROFILES or self._bytes > MAX_PROFILE_BYTES:
            raise _Unusable(
                f"The collection has more than {MAX_PROFILES} profiles, or {MAX_PROFILE_BYTES} bytes of them"
            )
        try:
            decoded = read_profile(data.decode())
            profile: NewProfile = self._records.read(decoded.json, "The profile", decoded.located)[0]
        except UnicodeDecodeError as error:
            raise _Unusable(f"It is not UTF-8 at byte {error.start}") from None
        except DecodeError as error:
            raise _Unusable(_sentence(str(error)), error.line) from None
        except Problem as problem:
            raise _unusable(problem) from None
        return self._check_profile(file, profile, decoded)

    def _check_profile(self, file: str, profile: NewProfile, decoded: DecodedBody) -> NewProfile:
        name = profile.name.removeprefix(f"{self._name}/")
        line = decoded.lines.nearest("name").line
        if _SEGMENT.fullmatch(name) is None:
            raise _Unusable(f"The profile's name is {profile.name!r}; write it without that of a collection", line)
        if name in _RESERVED:
            raise _Unusable(f"The name {name} is reserved", line)
        if name in self._files:
            raise _Unusable(f"{self._files[name]} has a profile of the same name, {name}", line)
        for path, reference in _references(profile):
            fault = self._folder.fault_of(reference)
            if fault is not None:
                raise _Unusable(f"{'/'.join(path)}: {fault}", decoded.lines.nearest(*path).line)
        self._check_configurations(profile, decoded)
        self.texts = self._texts.of(profile)
        self._files[name] = file
        return msgspec.structs.replace(profile, name=name)

    def _check_configurations(self, profile: NewProfile, decoded: DecodedBody) -> None:
        # A runtime checks the modules of other collections.
        try:
            check_configurations(profile, lambda use: use.among(self._modules, self._name))
        except Problem as problem:
            line = decoded.located(problem.errors[0]).line
            raise _Unusable(problem.detail.rstrip("."), line if isinstance(line, int) else None) from None


def _references(profile: NewProfile) -> Iterator[tuple[tuple[str, ...], str]]:
    """The references of a profile with their places."""
    for name, references in (("agents", profile.agents), ("context", profile.context)):
        yield from (((name, key), reference) for key, reference in references.items())
    lists: dict[str, list[ModuleConfig]] = {name: getattr(profile, name) for name in ("providers", "tools", "hooks")}
    for name, modules in lists.items():
        for number, module in enumerate(modules):
            if module.source is not UNSET:
                yield (name, str(number), "source"), module.source
    if isinstance(profile.session, NewSessionConfig):
        for name in ("orchestrator", "context_manager"):
            module_or_unset: ModuleConfig | msgspec.UnsetType = getattr(profile.session, name)
            if module_or_unset is not UNSET and module_or_unset.source is not UNSET:
                yield ("session", name, "source"), module_or_unset.source


def _unusable(problem: Problem) -> _Unusable:
    if not problem.errors:
        return _Unusable(problem.detail.rstrip("."))
    first = problem.errors[0]
    line = first.line if isinstance(first.line, int) else None
    return _Unusable(f"{first.pointer or 'It'} {first.detail.removesuffix(f' (line {line})')}", line)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
