"""Somebody who writes to a database what no program of ours would."""

import asyncio

import apsw
import asyncpg


def vandalise(database: str, *statements: str) -> None:
    """Run statements on amplifierd's tables; nothing that refers to others is looked at."""
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
