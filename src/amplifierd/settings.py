"""What a daemon is told at its start; the command line and the environment fill it in (see cli/)."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from platformdirs import user_data_path

from .storage.clock import DAY_SECONDS

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]

CONTRACT = Path(__file__).with_name("openapi.yaml")


def default_database() -> str:
    """A file in the user's data directory."""
    return f"sqlite:///{user_data_path('amplifierd') / 'amplifierd.db'}"


def default_data_path() -> Path:
    """A folder in the user's data directory."""
    return user_data_path("amplifierd") / "directories"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one daemon."""

    host: str = "127.0.0.1"
    port: int = 8420
    database: str = field(default_factory=default_database)
    data_path: Path = field(default_factory=default_data_path)
    workers: int = 1
    idempotency_ttl: float = DAY_SECONDS
    max_body: int = 8 * 1024 * 1024
    log_level: LogLevel = "info"
    log_format: LogFormat = "text"
    check_responses: bool = False
    ephemeral: bool = False
    max_age: float | None = None
    parent: int = 0
    contract: Path = CONTRACT
