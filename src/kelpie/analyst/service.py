"""Analyst: what stays open between calls, a data source per file and a catalog per semantic model.

Tools and routes share one Analyst. It holds no rows: those are in the store, and a restart loses nothing.
"""

import asyncio
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from kelpie.analyst import connections, limits
from kelpie.analyst.access.access import OPEN, Access
from kelpie.analyst.catalog import Catalog
from kelpie.analyst.connections import Connection, Sharing
from kelpie.analyst.results import Chart
from kelpie.analyst.semantic import records
from kelpie.analyst.semantic.model import SemanticModel
from kelpie.analyst.semantic.records import SemanticModelRecord
from kelpie.analyst.sources.config import Surroundings
from kelpie.analyst.sources.engines import ENGINES, open_source
from kelpie.analyst.sources.source import Check, Source
from kelpie.analyst.table import Snapshot
from kelpie.analyst.workers import Workers
from umi.dst import Host
from umi.storage import Changes, View

# (engine, config, surroundings) -> the open source, as kelpie.analyst.sources.engines.open_source
OpenSource = Callable[[str, Mapping[str, Any], Surroundings], Awaitable[Source]]


class LoadedModel(msgspec.Struct, frozen=True):
    """A semantic model, read, with the connection it stands on."""

    record: SemanticModelRecord
    model: SemanticModel
    connection: Connection


class _KnownCatalog(msgspec.Struct, frozen=True):
    snapshot: Snapshot
    built_ms: float
    catalog: Catalog


class Analyst:
    """`folders` are where files may lie, the data folder first; a path outside of them is refused.

    secrets  environment variable -> the password it holds, of those that connections may name
    opens    how a source is opened; a simulation hands in another
    """

    def __init__(
        self,
        host: Host,
        data_folder: str,
        folders: Sequence[str] = (),
        secrets: Mapping[str, str] | None = None,
        opens: OpenSource = open_source,
    ) -> None:
        self.host = host
        self._opens = opens
        self._workers = Workers(host, limits.WORKER_THREADS_MAX)
        real = tuple(os.path.realpath(folder) for folder in (data_folder, *folders))
        self._surroundings = Surroundings(host, self._workers, real, secrets or {})
        self._sources: OrderedDict[bytes, Source] = OrderedDict()
        self._models: dict[str, SemanticModel] = {}
        # By semantic model and what may be seen through it: a catalog holds values of the data.
        self._catalogs: OrderedDict[tuple[str, str], _KnownCatalog] = OrderedDict()
        # Held while a source is opened: one per file or server, however many ask for it first. Each has its own: a
        # server that does not answer must keep nobody from another.
        self._opening: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    async def open_source(self, connection: Connection) -> Source:
        """The connection's source, opened if it is not, or if what it was opened from was replaced since.

        Raises InvalidInput (nothing suitable there, outside the allowed folders), SourceUnavailable, MissingExtra.
        """
        key = msgspec.json.encode((connection.engine, connection.config), order="deterministic")
        source = self._open_already(key)
        if source is not None:
            return source
        async with self._opening.setdefault(key, asyncio.Lock()):
            source = self._open_already(key)
            if source is not None:
                return source
            replaced = self._sources.pop(key, None)
            if replaced is not None:
                await replaced.close()
            source = await self._opens(connection.engine, connection.config, self._surroundings)
            self._sources[key] = source
            while len(self._sources) > limits.SOURCES_OPEN_MAX:
                _, oldest = self._sources.popitem(last=False)
                await oldest.close()
            return source

    def _open_already(self, key: bytes) -> Source | None:
        source = self._sources.get(key)
        if source is None or not source.is_current():
            return None
        self._sources.move_to_end(key)
        return source

    async def check_connection(self, connection: Connection) -> Check:
        """What answers there, and what the account may do beyond reading. Raises as `open_source`, and QueryFailed."""
        return await (await self.open_source(connection)).check()

    async def plan_connection(
        self,
        view: View,
        tenant: str,
        name: str,
        config: dict[str, Any],
        engine: str = "duckdb",
        sharing: Sharing = "rows",
    ) -> tuple[Connection, Changes]:
        """A new connection whose source has been opened once.

        Raises InvalidInput, LimitExceeded, Conflict, SourceUnavailable, MissingExtra.
        """
        connection = connections.new_connection(self.host, tenant, name, engine, config, sharing)
        changes = await connections.plan_create(view, connection)
        await self.open_source(connection)
        return connection, changes

    async def plan_model(
        self, view: View, tenant: str, connection_id: str, yaml_text: str
    ) -> tuple[SemanticModelRecord, Changes]:
        """A new semantic model, every expression of which has run on its connection.

        Raises InvalidModel ("line 12: …"), NotFound, Conflict, LimitExceeded, MissingExtra.
        """
        from kelpie.analyst.semantic.checks import check_model
        from kelpie.analyst.semantic.reading import read_model

        connection = await connections.get(view, tenant, connection_id)
        model = read_model(yaml_text)
        record = records.new_record(self.host, tenant, model.name, connection_id, yaml_text)
        changes = await records.plan_create(view, record)
        await check_model(model, await self.open_source(connection))
        return record, changes

    async def load(self, view: View, tenant: str, semantic_model_id: str) -> LoadedModel:
        """Raises NotFound."""
        from kelpie.analyst.semantic.reading import read_model

        record = await records.get(view, tenant, semantic_model_id)
        connection = await connections.get(view, tenant, record.connection_id)
        model = self._models.get(record.id)
        if model is None:
            model = self._models[record.id] = read_model(record.yaml)
            while len(self._models) > limits.SOURCES_OPEN_MAX:
                del self._models[next(iter(self._models))]
        return LoadedModel(record, model, connection)

    async def catalog(self, loaded: LoadedModel, access: Access = OPEN) -> Catalog:
        """What somebody with this `access` can ask of the data as they are now.

        Of a server's data it may be CATALOG_AGE_MS_MAX old. Raises InvalidInput, QueryFailed, MissingExtra.
        """
        from kelpie.analyst.catalog_build import build_catalog

        key, now_ms = (loaded.record.id, access.fingerprint), self.host.clock.monotonic_ms()
        known = self._catalogs.get(key)
        is_server = ENGINES[loaded.connection.engine].is_server
        if known is not None and is_server and now_ms - known.built_ms < limits.CATALOG_AGE_MS_MAX:
            return known.catalog
        source = await self.open_source(loaded.connection)
        snapshot = await source.look()
        if known is not None and known.snapshot == snapshot and snapshot.certain:
            return known.catalog
        catalog = await build_catalog(loaded.model, source, loaded.record.id, access)
        self._catalogs[key] = _KnownCatalog(snapshot, now_ms, catalog)
        self._catalogs.move_to_end(key)
        while len(self._catalogs) > limits.CATALOGS_MAX:
            self._catalogs.popitem(last=False)
        return catalog

    async def render(self, chart: Chart) -> bytes:
        """The chart as a PNG. Raises InvalidInput, MissingExtra."""
        from kelpie.analyst.charts import render_png

        return await render_png(chart.spec, self._workers)

    async def render_svg(self, chart: Chart) -> str:
        """The chart as SVG. Raises InvalidInput, MissingExtra."""
        from kelpie.analyst.charts import render_svg

        return await render_svg(chart.spec, self._workers)

    async def close(self) -> None:
        """Stop what still runs and let go of every file."""
        for source in self._sources.values():
            await source.stop()
        self._sources.clear()
        self._workers.close()
