"""The settings of a daemon, from the command line and the environment (see commands/)."""

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from platformdirs import user_data_path

from .storage.values.clock import DAY_SECONDS

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]

# A machine's names for itself; URLs have brackets around an IPv6 address (RFC 3986, section 3.2.2).
_OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")

CONTRACT = Path(__file__).with_name("openapi.yaml")


def default_database() -> str:
    """A file in the user's data directory."""
    return f"sqlite:///{_user_data() / 'amplifierd.db'}"


def default_data_path() -> Path:
    """A folder in the user's data directory."""
    return _user_data() / "directories"


def ledger_folder() -> Path | None:
    """The folder of import ledgers in the user's data directory; None without a home directory."""
    folder = _user_data()
    return folder / "imports" if folder.is_absolute() else None


def _user_data() -> Path:
    try:
        return user_data_path("amplifierd")
    except RuntimeError:
        # Without a home directory there is no default folder, which is an error only if none is set.
        return Path("~", "amplifierd")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one daemon."""

    host: str = "127.0.0.1"
    port: int = 8420
    database: str = field(default_factory=default_database)
    single_machine: bool = False
    data_path: Path = field(default_factory=default_data_path)
    collections_path: tuple[Path, ...] = ()
    collection_host: tuple[str, ...] = ()
    embedder: str | None = None
    embedder_url: str | None = None
    embedder_model: str | None = None
    embedder_key_file: Path | None = None
    workers: int = 1
    idempotency_ttl: float = DAY_SECONDS
    max_body: int = 8 * 1024 * 1024
    max_file: int = 256 * 1024 * 1024
    log_level: LogLevel = "info"
    log_format: LogFormat = "text"
    check_responses: bool = False
    ephemeral: bool = False
    max_age: float | None = None
    allowed_hosts: tuple[str, ...] = ()
    cors_origin: tuple[str, ...] = ()
    insecure_open: bool = False
    rate_limit: str | None = None
    max_requests: int = 2_048
    request_timeout: float = 10
    keep_alive: int = 75
    shutdown_timeout: int = 6
    parent: int | None = 0
    contract: Path = CONTRACT

    @property
    def is_local(self) -> bool:
        """Whether the daemon listens only to this machine."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def hosts(self) -> frozenset[str] | None:
        """The accepted names in `Host`, in lower case and without ports; None for any.

        By default they are this machine's names for itself if the daemon listens only to this machine, else any.
        """
        if "*" in self.allowed_hosts or not (self.allowed_hosts or self.is_local):
            return None
        host = f"[{self.host}]" if ":" in self.host else self.host
        return frozenset(name.lower() for name in (*self.allowed_hosts, *_OWN_NAMES, host))
