"""Analyst: what stays open between calls, a data source per file and a catalog per semantic model.

Tools and routes share one Analyst. It holds no rows: those are in the store, and a restart loses nothing.
"""

import asyncio
import os
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import msgspec

from kelpie.analyst import connections, limits
from kelpie.analyst.catalog import Catalog
from kelpie.analyst.connections import Connection
from kelpie.analyst.duckdb_source import DuckDbSource, Snapshot
from kelpie.analyst.results import Chart
from kelpie.analyst.semantic import records
from kelpie.analyst.semantic.model import SemanticModel
from kelpie.analyst.semantic.records import SemanticModelRecord
from kelpie.analyst.workers import Workers
from kelpie.errors import InvalidInput
from umi.dst import Host
from umi.storage import Changes, View


class LoadedModel(msgspec.Struct, frozen=True):
    """A semantic model, read, with the connection it stands on."""

    record: SemanticModelRecord
    model: SemanticModel
    connection: Connection


class Analyst:
    """`folders` are where database files may lie, the data folder first; a path outside of them is refused."""

    def __init__(self, host: Host, data_folder: str, folders: Sequence[str] = ()) -> None:
        self.host = host
        self._folders = [os.path.realpath(folder) for folder in (data_folder, *folders)]
        self._workers = Workers(host, limits.WORKER_THREADS_MAX)
        self._sources: OrderedDict[str, DuckDbSource] = OrderedDict()
        self._models: dict[str, SemanticModel] = {}
        self._catalogs: dict[str, tuple[Snapshot, Catalog]] = {}
        # Held while a file is opened: one source per file, however many ask for it first.
        self._opening = asyncio.Lock()

    async def open_source(self, connection: Connection) -> DuckDbSource:
        """The connection's source, opened if it is not, or if its file was replaced since.

        Raises InvalidInput (no such database, or outside the allowed folders), MissingExtra.
        """
        path = self._path(connection)
        source = self._open_already(path)
        if source is not None:
            return source
        async with self._opening:
            source = self._open_already(path)
            if source is not None:
                return source
            replaced = self._sources.pop(path, None)
            if replaced is not None:
                await replaced.close()
            source = await DuckDbSource.open(self.host, path, self._workers)
            self._sources[path] = source
            while len(self._sources) > limits.SOURCES_OPEN_MAX:
                _, oldest = self._sources.popitem(last=False)
                await oldest.close()
            return source

    def _open_already(self, path: str) -> DuckDbSource | None:
        source = self._sources.get(path)
        if source is None or not source.is_current():
            return None
        self._sources.move_to_end(path)
        return source

    def _path(self, connection: Connection) -> str:
        path = os.path.realpath(os.path.join(self._folders[0], connection.config["path"]))
        if not any(os.path.commonpath([path, folder]) == folder for folder in self._folders):
            raise InvalidInput(
                f"{path} lies outside the folders data may be read from ({', '.join(self._folders)}); move it there"
            )
        return path

    async def plan_connection(
        self, view: View, tenant: str, name: str, config: dict[str, Any], engine: str = "duckdb"
    ) -> tuple[Connection, Changes]:
        """A new connection whose source has been opened once. Raises InvalidInput, Conflict, MissingExtra."""
        connection = connections.new_connection(self.host, tenant, name, engine, config)
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

    async def catalog(self, loaded: LoadedModel) -> Catalog:
        """What the model can answer on the data as they are now. Raises InvalidInput, QueryFailed, MissingExtra."""
        from kelpie.analyst.catalog_build import build_catalog

        source = await self.open_source(loaded.connection)
        known = self._catalogs.get(loaded.record.id)
        if known is not None and known[0] == source.snapshot:
            return known[1]
        catalog = await build_catalog(loaded.model, source, loaded.record.id)
        self._catalogs[loaded.record.id] = (source.snapshot, catalog)
        while len(self._catalogs) > limits.SOURCES_OPEN_MAX:
            del self._catalogs[next(iter(self._catalogs))]
        return catalog

    async def render(self, chart: Chart) -> bytes:
        """The chart as a PNG. Raises InvalidInput, MissingExtra."""
        from kelpie.analyst.charts import render_png

        return await render_png(chart.spec, self._workers)

    async def close(self) -> None:
        """Stop what still runs and let go of every file."""
        for source in self._sources.values():
            await source.stop()
        self._sources.clear()
        self._workers.close()
