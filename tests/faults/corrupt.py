"""Corrupts databases: writes what amplifierd itself never writes."""

import asyncio

import apsw
import asyncpg


def of_messages(database: str, session_id: str, sequences: str) -> str:
    """The table of the messages, and the condition for some messages of a session; `sequences` is a comparison."""
    if not database.startswith("sqlite"):
        return f"message WHERE session_id = '{session_id}' AND sequence {sequences}"
    number = f"SELECT number FROM session_number WHERE session_id = '{session_id}'"  # noqa: S608  # of the test
    return f"message_row WHERE place >> 31 = ({number}) AND place & 2147483647 {sequences}"


def without_messages(database: str, session_id: str, sequences: str) -> str:
    """The statement that deletes some messages of a session."""
    return f"DELETE FROM {of_messages(database, session_id, sequences)}"  # noqa: S608  # of the test


def vandalise(database: str, *statements: str) -> None:
    """Run statements on amplifierd's tables without foreign-key checks."""
    if database.startswith("sqlite"):
        vandal = apsw.Connection(database.removeprefix("sqlite:///"))
        vandal.set_busy_timeout(5_000)
        vandal.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        for statement in statements:
            vandal.execute(statement)
        vandal.close()
        return

    async def run() -> None:
        settings = {"search_path": "amplifierd", "session_replication_role": "replica"}
        connection = await asyncpg.connect(database, server_settings=settings)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(run())
