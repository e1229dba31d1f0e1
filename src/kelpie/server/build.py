"""The house, put together: the only place that knows every room."""

import contextlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from kelpie import sealing
from kelpie.actors import Outbox, Reminders, Silo
from kelpie.actors import directory as actors_directory
from kelpie.agents import agent as agents
from kelpie.agents import batches
from kelpie.agents.batching import Batching
from kelpie.agents.inbox import Inbox
from kelpie.agents.memory.remembering import Remembering
from kelpie.agents.rules.approving import Expiry
from kelpie.agents.scheduling import Scheduling
from kelpie.agents.sweeping import Sweeping
from kelpie.agents.together.overhearing import Overhearing
from kelpie.agents.together.talking import Talking
from kelpie.agents.turn.scene import Workshop
from kelpie.analyst import migrations as analyst_migrations
from kelpie.analyst.agent import PLANNER_HANDLE
from kelpie.analyst.service import Analyst, OpenSource
from kelpie.analyst.sources.engines import open_source
from kelpie.api import House, Keys, claims, create_app
from kelpie.config import Config
from kelpie.errors import InvalidInput, MissingExtra, NotFound
from kelpie.events import CommitGroupEnded, Events
from kelpie.files import schema as files_schema
from kelpie.files.processing import Processing
from kelpie.files.reading.reader import Reader
from kelpie.groups import runs as group_runs
from kelpie.groups import schema as groups_schema
from kelpie.identities import schema as identities_schema
from kelpie.models import ModelCard, Models, ModelSettings, configured_providers
from kelpie.models import rows as provider_rows
from kelpie.models.kinds import provider_of
from kelpie.models.local import LOCAL_CARD, LocalModel
from kelpie.people import schema as people_schema
from kelpie.sandbox import LevelReport, ProcessLevel, Sandbox
from kelpie.sealing import UNSEALED, Seal
from kelpie.server import isolation, logs, tooling
from kelpie.server.metrics import Metrics
from kelpie.server.planner import Planner
from kelpie.server.redact import Redactor
from kelpie.tenants import Counts, IssuedKeys, Quotas
from kelpie.tenants import schema as tenants_schema
from kelpie.tools import custom, secrets
from kelpie.tools import schema as tools_schema
from kelpie.tools.mcp import records as mcp_servers
from kelpie.tools.mcp.jail import Jail
from kelpie.tools.mcp.programs import OpenProgram
from kelpie.trajectories import runs
from kelpie.trajectories import schema as trajectories_schema
from umi import archival, memory
from umi.dst import Host, Rng
from umi.embed import Embedder
from umi.errors import StoreReadOnly
from umi.memory import Archive
from umi.storage import Database, Migration, SqliteDatabase, View
from umi.storage.sqlite import CommitListener
from umi.wire import HttpTransport, Transport

MIGRATIONS = [
    *memory.MIGRATIONS,
    *actors_directory.MIGRATIONS,
    *people_schema.MIGRATIONS,
    *tenants_schema.MIGRATIONS,
    *provider_rows.MIGRATIONS,
    *trajectories_schema.MIGRATIONS,
    *tools_schema.MIGRATIONS,
    *files_schema.MIGRATIONS,
    *identities_schema.MIGRATIONS,
    *groups_schema.MIGRATIONS,
    *mcp_servers.MIGRATIONS,
    *agents.MIGRATIONS,
    *batches.MIGRATIONS,
    *analyst_migrations.MIGRATIONS,
    *claims.MIGRATIONS,
]
# What counts as stored by a tenant, as each room sums it.
STORED_BYTES = (
    *trajectories_schema.STORED_BYTES,
    *files_schema.STORED_BYTES,
    *tools_schema.STORED_BYTES,
    *archival.STORED_BYTES,
    *batches.STORED_BYTES,
    *groups_schema.STORED_BYTES,
)
log = logging.getLogger("kelpie.server")
DATABASE_NAME = "kelpie.db"
OpenStore = Callable[[Sequence[Migration], Host, CommitListener], Awaitable[Database]]


@dataclass(frozen=True, slots=True)
class Outside:
    """What a server reaches beyond its own process: a simulation hands in others.

    transport    to model providers
    sandbox      where custom tools run
    open_store   (migrations, host, on_group) -> the open Database. Raises StoreError
    opens_program  starts an MCP server that is a program, in a jail; None: there are none then
    open_source  the data that people ask about
    embedder     finds facts by meaning: "auto" takes MiniLM where it was fetched; None finds by words alone
    reader       the text of files; None: documents are read in processes of their own
    seal         encrypts keys and secrets in the store
    silo         the name under which it claims its actors
    """

    transport: Transport
    sandbox: Sandbox
    open_store: OpenStore
    opens_program: OpenProgram | None = None
    open_source: OpenSource = open_source
    embedder: Embedder | str | None = "auto"
    reader: Reader | None = None
    silo: str = "local"
    seal: Seal = UNSEALED


def real_outside(config: Config, host: Host) -> Outside:
    """Sockets, processes, and a file in the data folder."""

    async def open_store(migrations: Sequence[Migration], host: Host, on_group: CommitListener) -> Database:
        try:
            os.makedirs(config.data_folder, exist_ok=True)
        except OSError as error:
            raise StoreReadOnly(
                f"can't make the folder {config.data_folder}: {error.strerror}; set KELPIE_DATA to one you may write"
            ) from error
        path = os.path.join(config.data_folder, DATABASE_NAME)
        return await SqliteDatabase.open(path, migrations, host=host, on_group=on_group)

    process = ProcessLevel(host)
    sandbox = isolation.levels(process, config, host)
    return Outside(
        HttpTransport(), sandbox, open_store, Jail(process, config.mcp_folders), seal=_seal(config, host.rng)
    )


async def _open_runs(view: View, tenant: str) -> int:
    """A message to a group is one, before anybody has a turn, and so is each turn."""
    return await runs.count_open(view, tenant) + await group_runs.count_open(view, tenant)


def _seal(config: Config, rng: Rng) -> Seal:
    if config.encryption_key is not None:
        return sealing.of_text(config.encryption_key, rng)
    return sealing.of_file(config.encryption_key_file or os.path.join(config.data_folder, sealing.KEY_FILE_NAME), rng)


class Server:
    """Built, it holds no file and no socket; `start` opens the store and takes up what was left undone.

    `app` is the ASGI application: it starts the server with its own lifespan unless that happened before.
    `models` and `catalog` may be added to before the start.
    """

    def __init__(self, config: Config, host: Host, outside: Outside) -> None:
        self.config, self.host, self.outside = config, host, outside
        self.version = version("kelpie")
        self.redact = Redactor(config.secrets)
        self.events = Events()
        self.models = Models(
            host, outside.transport, configured_providers(_model_settings(config)), fallback=config.model_fallback
        )
        self.models.register(_planner_card(), Planner(host))
        self.analyst = Analyst(host, config.data_folder, secrets=config.connection_secrets, opens=outside.open_source)
        self.sandbox = outside.sandbox
        self.bench, self.mcp, self.catalog = tooling.furnish(
            config,
            host,
            analyst=self.analyst,
            sandbox=self.sandbox,
            opens_program=outside.opens_program,
            transport=outside.transport,
            seal=outside.seal,
        )
        self.metrics = Metrics(self.catalog.builtins)
        self._local = self._register_local()
        self.app = create_app(self.version, self._lifespan)
        self._reports: list[LevelReport] | None = None
        self._database: Database | None = None
        self._archive: Archive | None = None
        self._close_traces: Any = None
        self.events.subscribe(logs.on_event)
        self.events.subscribe(self.metrics.on_event)

    def _open_traces(self) -> None:
        """Where they go, if anywhere."""
        if self.config.otlp_endpoint is None:
            return
        from kelpie.server.traces import Traces

        traces = Traces(self.config.otlp_endpoint, self.host, self.version)
        self.events.subscribe(traces.on_event)
        self._close_traces = traces.close

    async def _open_sealed(self, database: Database) -> None:
        """Seal what older versions left open, and take up the providers that are rows; one that can't be is left out,
        and said. Raises CannotUnseal where there is no key."""
        view, seal = View(database), self.outside.seal
        seal.make_ready()
        if seal is not UNSEALED:
            for plan_seal in (secrets.plan_seal, mcp_servers.plan_seal):
                if changes := await plan_seal(view, seal):
                    await database.commit(changes)
        for row, credentials in await provider_rows.every(view, seal):
            try:
                self.models.giving(row.tenant, provider_of(row, credentials))()
            except InvalidInput as error:
                log.warning("the provider '%s' of tenant '%s' is left out: %s", row.name, row.tenant, error)

    def _register_local(self) -> LocalModel | None:
        """The small model in this process, where its weights were fetched and the extra is installed."""
        try:
            local = LocalModel(self.host, os.path.join(self.config.data_folder, "models"))
        except (MissingExtra, NotFound):
            return None
        self.models.register(LOCAL_CARD, local)
        return local

    @property
    def is_started(self) -> bool:
        return self._database is not None

    async def start(self) -> None:
        """Open the store and go on with every run that had not ended. Raises StoreError."""
        assert not self.is_started, "the server is running already"
        database = await self.outside.open_store(MIGRATIONS, self.host, self._on_group)
        try:
            await self._move_in(database)
        except BaseException:
            await database.close()
            raise
        self._database = database

    async def _move_in(self, database: Database) -> None:
        config, host = self.config, self.host
        database = claims.ClaimingDatabase(database)
        self._archive = archive = Archive(database, host, embedder=self.outside.embedder)
        workshop = Workshop(
            database=database,
            host=host,
            events=self.events,
            models=self.models,
            catalog=self.catalog,
            archive=archive,
            outbox=Outbox(database, host),
            remembers=not config.strict_letta,
            approval_ms=config.approval_ms,
            seal=self.outside.seal,
        )
        await self._open_sealed(database)
        Remembering(workshop)
        Overhearing(workshop)
        Sweeping(workshop)
        silo = Silo(self.outside.silo, database, host, self.events, idle_ms=config.idle_before_deactivation_ms)
        inbox, reminders = Inbox(workshop, silo), Reminders(database, host)
        Expiry(database, reminders)
        quotas = Quotas(database, host, Counts(agents.count, _open_runs, STORED_BYTES))
        password = config.password if config.secure else None
        keys = Keys(config.keys, password=password, issued=IssuedKeys(database, host))
        for tenant in sorted({*keys.tenants, *await quotas.load()}):
            view, builtins = View(database), self.catalog.builtins.values()
            await database.commit(await custom.plan_builtins(view, tenant, host.clock.now_ms(), builtins))
        self._open_traces()
        batching = Batching(database, host, inbox, quotas.room_for_run)
        self.app.state.house = House(
            workshop=workshop,
            inbox=inbox,
            batching=batching,
            scheduling=Scheduling(database, host, inbox, reminders),
            talking=Talking(workshop, inbox),
            uploads=Processing(archive, workshop.outbox, self.outside.reader or Reader(host)),
            keys=keys,
            quotas=quotas,
            analyst=self.analyst,
            mcp=self.mcp,
            analyst_model=config.analyst_model,
            version=self.version,
            levels=self._levels,
            metrics=self.metrics.text,
            redact=self.redact,
            strict_letta=config.strict_letta,
            provider_hosts=config.provider_private_hosts,
        )
        silo.start()
        workshop.outbox.start()
        if archive.behind is not None:
            archive.behind.wake()  # an earlier life may have left facts without their vectors
        host.spawn(self._test_sandbox(), "sandbox self-test")
        await inbox.recover()
        await batching.recover()
        reminders.start()
        host.spawn(claims.sweep(database, host), "forget old keys")

    async def stop(self) -> None:
        """Let commits finish and close the store. Turns that are under way go on at the next start."""
        if self._database is None:
            return
        database, self._database = self._database, None
        if self._archive is not None:
            await self._archive.close()
        await self.host.close()
        await self.analyst.close()
        if self._local is not None:
            await self._local.close()
        await self.mcp.close()
        await self.sandbox.close()
        await self.outside.transport.aclose()
        await database.close()
        if self._close_traces is not None:
            self._close_traces()

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        if self.is_started:
            yield
            return
        await self.start()
        try:
            yield
        finally:
            await self.stop()

    def _on_group(self, commits: int, duration_ms: float) -> None:
        self.events.emit(CommitGroupEnded(commits=commits, duration_ms=duration_ms))

    async def _test_sandbox(self) -> None:
        self._reports = await self.sandbox.reports()

    async def _levels(self) -> dict[str, Any]:
        """The isolation that tools get, for the health route: it never waits for the self-tests."""
        return isolation.shown(self._reports, isolation.minimum_of(self.config))


def build(config: Config, host: Host | None = None, outside: Outside | None = None) -> Server:
    """A server that is not started yet. Raises InvalidInput for settings that contradict each other."""
    host = host or Host()
    return Server(config, host, outside or real_outside(config, host))


def _model_settings(config: Config) -> ModelSettings:
    return ModelSettings(
        openai_api_key=config.openai_api_key or "",
        openai_base_url=config.openai_base_url or "",
        anthropic_api_key=config.anthropic_api_key or "",
        anthropic_base_url=config.anthropic_base_url or "",
        ollama_base_url=config.ollama_base_url or "",
        vllm_base_url=config.vllm_base_url or "",
        vllm_handle_base=config.vllm_handle_base or "",
    )


def _planner_card() -> ModelCard:
    provider, _, name = PLANNER_HANDLE.partition("/")
    return ModelCard(
        handle=PLANNER_HANDLE, provider=provider, name=name, provider_type="kelpie", version=version("kelpie")
    )
