"""`kelpie import-letta`: a Letta 0.16 database brought over, straight from PostgreSQL into our store."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, BinaryIO

from kelpie.config import Config
from kelpie.console.progress import Meter
from kelpie.console.show import Screen
from kelpie.errors import InvalidInput
from kelpie.tools import custom
from umi.dst import Host
from umi.memory import Archive
from umi.storage import View

if TYPE_CHECKING:  # these need the extra `server`, and this command alone does
    from kelpie.moving.letta.here import Here
    from kelpie.moving.letta.report import Report


@dataclass(frozen=True)
class Wanted:
    """What the command was asked for. The key is not for reprs."""

    tenant: str
    organization: str | None
    is_rehearsal: bool
    report: Path
    encryption_key: str | None = None

    def __repr__(self) -> str:
        return f"Wanted(tenant={self.tenant!r}, organization={self.organization!r})"


async def bring(config: Config, url: str, wanted: Wanted, screen: Screen) -> None:
    """Read the database and say what came of it. Raises InvalidInput, MissingExtra, SourceUnavailable, StoreError (a
    server that runs has the store: stop it first)."""
    if not wanted.tenant.strip() or ":" in wanted.tenant:
        raise InvalidInput(f"a tenant's name is not blank and holds no colon; {wanted.tenant[:64]!r} can't be one")
    from kelpie.moving.letta.bringing import Bringing
    from kelpie.moving.letta.reading import opened
    from kelpie.moving.letta.report import Report

    host = Host()
    with _file(wanted.report) as file:
        report = Report(file.write)
        async with opened(url) as source, _store(config, host, wanted) as here:
            with Meter("reading", 1.0, host.clock) as meter:
                work = Bringing(
                    source,
                    here,
                    report,
                    lambda done, total: meter.tell(done / total, f"{done:,} rows"),
                    organization=wanted.organization,
                    encryption_key=wanted.encryption_key,
                )
                await work.run()
    show(report, wanted, screen)


def _file(path: Path) -> BinaryIO:
    """Raises InvalidInput."""
    try:
        return path.open("wb")
    except OSError as error:
        raise InvalidInput(f"can't write the report {path}: {error.strerror}") from None


@asynccontextmanager
async def _store(config: Config, host: Host, wanted: Wanted) -> "AsyncIterator[Here]":
    """Our store, as a server opens it. A rehearsal where there is none yet leaves none."""
    from kelpie.moving.letta.here import Here
    from kelpie.server.build import MIGRATIONS, build

    with TemporaryDirectory() as nowhere:
        if wanted.is_rehearsal and not _has_store(config):
            config = Config(data_folder=nowhere)
        server = build(config, host)
        database = await server.outside.open_store(MIGRATIONS, host, lambda _commits, _duration_ms: None)
        try:
            builtins = server.catalog.builtins
            if not wanted.is_rehearsal:
                now_ms, tools = host.clock.now_ms(), builtins.values()
                await database.commit(await custom.plan_builtins(View(database), wanted.tenant, now_ms, tools))
            # Texts are embedded by the server, behind its other work, once it runs.
            archive = Archive(database, host, embedder=None)
            yield Here(database, host, archive, wanted.tenant, frozenset(builtins), is_rehearsal=wanted.is_rehearsal)
        finally:
            await host.close()
            await server.sandbox.close()
            await server.outside.transport.aclose()
            await database.close()


def _has_store(config: Config) -> bool:
    from kelpie.server.build import DATABASE_NAME

    return os.path.exists(os.path.join(config.data_folder, DATABASE_NAME))


def show(report: "Report", wanted: Wanted, screen: Screen) -> None:
    """The counts, why rows were not taken, and where each of them is named."""
    screen.heading("what would come over" if wanted.is_rehearsal else "what came over")
    tables = sorted(table for table, count in report.rows.items() if count)
    missed: dict[str, int] = {}
    for (table, _), count in report.missed.items():
        missed[table] = missed.get(table, 0) + count
    rows = [
        [table, report.rows[table], report.taken[table], report.already[table], missed.get(table, 0)]
        for table in tables
    ]
    screen.table(["table", "rows", "taken", "here already", "not taken"], rows, rows_max=len(rows))
    if report.missed:
        screen.heading("not taken")
        reasons = [
            [table, count, why, ", ".join(report.shown[table, why])]
            for (table, why), count in sorted(report.missed.items())
        ]
        screen.table(["table", "rows", "why", "for example"], reasons, rows_max=len(reasons))
    if report.remarks:
        screen.heading("taken, and not as it was")
        remarks = [[count, what] for what, count in sorted(report.remarks.items())]
        screen.table(["rows", "what"], remarks, rows_max=len(remarks))
    for table, count in report.unaccounted().items():
        screen.bad(f"{table}: {count:,} rows are unaccounted for; this is a bug of ours")
    screen.note(f"every row that was not taken is named in {wanted.report}")
    if wanted.is_rehearsal:
        screen.note("nothing was written; run it without --dry-run to bring it over")
