"""The shared part of migrations: numbered SQL files; a database's version is the number of applied files."""

from importlib.resources import files

from ..model.database_errors import DatabaseOutOfDate, DatabaseUnusable


def numbered_scripts(package: str) -> list[str]:
    """The SQL files in the folder `migrations` of a package, in the order of their numbers."""
    folder = files(package) / "migrations"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(folder / name).read_text(encoding="utf-8") for name in names]


def refuse_newer(version: int, latest: int, database: str) -> None:
    """Check the version of a schema.

    Raises:
        DatabaseUnusable: The schema is newer than `latest`, which is this program's. `database` begins the sentence.
    """
    if version > latest:
        raise DatabaseUnusable(
            f"{database} has schema {version}, newer than this program's {latest}; "
            "start the amplifierd that wrote it, or a later one."
        )


def refuse_other(version: int, latest: int, database: str) -> None:
    """Check that a schema is this program's.

    Raises:
        DatabaseUnusable: The schema is newer.
        DatabaseOutOfDate: The schema is older.
    """
    refuse_newer(version, latest, database)
    if version < latest:
        raise DatabaseOutOfDate(version, latest)
