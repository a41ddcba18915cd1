"""A daemon for tests, from Python (`daemon`, `Server`) and as a pytest plugin; `storage` has the tests for storages.

Apart from `storage` it imports nothing of the package: it starts the program as a user does. Its parts are loaded when
they are first used, because pytest loads the plugin, and with it this module, in every run.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .ephemeral_server import Server, daemon

__all__ = ["Server", "daemon"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(".ephemeral_server", __name__), name)
