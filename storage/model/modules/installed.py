"""The modules of the packages that are installed beside this program."""

import hashlib
from collections.abc import Callable, Mapping
from functools import cached_property

import msgspec

from .records import Module

_encode = msgspec.json.Encoder().encode


class InstalledModules:
    """The modules of packages by id; `read` is called once, when they are first needed."""

    def __init__(self, read: Callable[[], Mapping[str, Module]] = dict) -> None:
        self._read = read

    @cached_property
    def modules(self) -> Mapping[str, Module]:
        """The modules, in the order of their ids."""
        return dict(sorted(self._read().items()))

    @cached_property
    def fingerprint(self) -> str:
        """What differs if the modules differ, as hexadecimal digits; empty if there are none."""
        modules = [*self.modules.values()]
        return hashlib.sha256(_encode(modules)).hexdigest() if modules else ""
