"""McpTools: from a tool's row to a call of its server, and what the API does with servers.

Whatever a server does, the turn gets an Outcome: its faults become errors the model reads, and a report on its row.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from kelpie.errors import InvalidInput, NotFound, ToolFailed, ToolUnavailable
from kelpie.sealing import UNSEALED, Seal
from kelpie.tools.arguments import check_arguments
from kelpie.tools.audit import Ran, Sandboxed
from kelpie.tools.custom import EXTERNAL, ToolRecord
from kelpie.tools.mcp import limits, records, rows
from kelpie.tools.mcp.connections import Connections
from kelpie.tools.mcp.faults import FaultKind, McpFault
from kelpie.tools.mcp.offers import Offer, OfferedTool, changes_of, inlined
from kelpie.tools.mcp.programs import OpenProgram
from kelpie.tools.mcp.records import McpServer
from kelpie.tools.mcp.settings import Secrets, Settings, Variables, checked, headers_of, is_reference
from kelpie.tools.secrets import Secrets as Values
from kelpie.tools.secrets import hidden
from kelpie.tools.tool import Outcome, Tool, ToolContext
from umi.dst import Host
from umi.storage import View
from umi.wire.types import ToolSpec

if TYPE_CHECKING:
    from kelpie.tools.mcp.connection import Connection
    from kelpie.tools.mcp.oauth import Announce, Consents


class McpTools:
    """
    opens_program  starts a stdio server in a jail; None where there is none: such servers are refused then
    variables      the operator's secrets that servers may be sent, by name
    private_hosts  hosts that may be reached though they are not on the internet: "name", "name:port"
    seal           opens what is sent to servers, and seals what they give
    """

    def __init__(
        self,
        host: Host,
        *,
        opens_program: OpenProgram | None = None,
        variables: Variables | None = None,
        private_hosts: Sequence[str] = (),
        idle_ms: int = limits.MCP_IDLE_MS_DEFAULT,
        seal: Seal = UNSEALED,
    ) -> None:
        self._host, self._opens_program, self._seal = host, opens_program, seal
        self._variables = variables or Variables()
        self._private_hosts = tuple(private_hosts)
        self._connections = Connections(host, self._streams, idle_ms)
        self._known_consents: Consents | None = None

    # ---- for the turn

    def tool_for(self, record: ToolRecord) -> Tool:
        """The tool of a row of kind EXTERNAL, for the catalog. Never raises."""

        async def run(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
            return await self.call(View(context.view.database), record, arguments)

        spec = ToolSpec(record.name, record.description, record.json_schema["parameters"])
        return Tool(spec, run, "outside", record.return_chars_max, EXTERNAL, audited(record))

    async def call(self, view: View, record: ToolRecord, arguments: dict[str, Any]) -> Outcome:
        """Call what the row stands for. Raises ToolFailed: arguments that don't fit what was added, a server that
        offers something else by now, and every fault of the server, which is reported on its row as well."""
        target = rows.target_of(record)
        checked = check_arguments(record.name, inlined(record.json_schema["parameters"]), arguments)
        try:
            server = await records.get(view, record.tenant, target.server_id)
        except NotFound:
            raise ToolUnavailable(f"the MCP server of the tool '{record.name}' was removed") from None
        async with self._used(view, server) as connection:
            if target.use == "tool":
                await self._check_unchanged(connection, record, target.tool)
            outcome = await self._call(view, connection, target, checked, record.return_chars_max)
            await self._note_asked(view, connection)
            return outcome

    async def _call(
        self, view: View, connection: "Connection", target: rows.Target, arguments: dict[str, Any], chars_max: int
    ) -> Outcome:
        """One request to the server, and what came of it as text. Raises McpFault that says how far it got."""
        from kelpie.tools.mcp import calling

        clock, transport = self._host.clock, connection.server.settings.transport
        began_ms = clock.monotonic_ms()
        try:
            text, is_error = await connection.ask(lambda session: calling.call(session, target, arguments, chars_max))
        except McpFault as fault:
            fault.during(connection.level, transport, clock.monotonic_ms() - began_ms)
            raise
        ran = Ran(level=connection.level, backend=transport, duration_ms=clock.monotonic_ms() - began_ms)
        text = hidden(text, await self._sent(view, connection.server))
        return Outcome(text, is_error=is_error, level=connection.level, ran=ran)

    async def _sent(self, view: View, server: McpServer) -> Values:
        """What the server was sent and may say again: it is not kept, and no model reads it. Short values that are
        given as they are ("production") are no secrets, and stand in many answers."""
        try:
            given = await records.secrets_of(view, server, self._seal)
            sent = {"token": self._variables.value(given.token)}
            for name, value in (*given.headers.items(), *given.environment.items()):
                if is_reference(value) or len(value) >= limits.MCP_HIDDEN_CHARS_MIN:
                    sent[name] = self._variables.value(value)
        except (NotFound, InvalidInput):  # it is gone by now, or was sent nothing
            return Values()
        tokens = (await records.oauth_of(view, server.tenant, server.id, self._seal)).get("tokens") or {}
        sent |= {name: str(tokens[name]) for name in ("access_token", "refresh_token") if name in tokens}
        return Values(sent)

    async def _check_unchanged(self, connection: "Connection", record: ToolRecord, tool: str) -> None:
        offer = await connection.offer()
        now = next((one for one in offer.tools if one.name == tool), None)
        parameters = record.json_schema["parameters"]
        changes = changes_of(tool, record.json_schema["description"], parameters, now)
        if changes:
            raise McpFault(
                "changed",
                connection.server.name,
                f"changed the tool '{record.name}' since it was added ({', '.join(changes)}), so it was not called;"
                " a person has to refresh the server's tools first",
            )

    @asynccontextmanager
    async def _used(self, view: View, server: McpServer) -> AsyncIterator["Connection"]:
        """The server's connection; its faults while it is used are reported, and leave it alone for a while."""
        connection: Connection | None = None
        try:
            connection = await self._connections.use(view, server)
            yield connection
        except McpFault as raised:
            fault = raised.saying(hidden(raised.said, await self._sent(view, server)))
            if fault.fault is not None:
                await self._report(view, server, fault.fault, fault.said)
            if connection is None or not connection.is_open:
                self._connections.failed(server, str(fault))
            raise fault from None
        self._connections.worked(server)

    async def _report(self, view: View, server: McpServer, kind: FaultKind, said: str) -> None:
        await view.database.commit(records.plan_report(server, self._host.clock.now_ms(), kind, said))

    async def _note_asked(self, view: View, connection: "Connection") -> None:
        """What it asked of its client while it was called, and was refused: worth a look."""
        if connection.watch.asked_for:
            said = f"asked for {', '.join(connection.watch.asked_for)}, and was refused"
            connection.watch.asked_for.clear()
            await self._report(view, connection.server, "asked", said)

    # ---- for the API

    async def offer(self, view: View, server: McpServer) -> Offer:
        """What the server offers now, asked anew. Raises McpFault, which is on its row as well, ToolFailed."""
        now_ms = self._host.clock.monotonic_ms()
        async with self._used(view, server) as connection:
            offer = await connection.offer(now_ms)
        await view.database.commit(records.plan_clear_report(server))
        return offer

    async def run_offered(
        self, view: View, server: McpServer, tool: str, arguments: dict[str, Any], chars_max: int
    ) -> Outcome:
        """Call a tool of the server by its own name, as it offers it now: for a person, who sees what it is."""
        target = rows.Target(server_id=server.id, server_name=server.name, use="tool", tool=tool)
        async with self._used(view, server) as connection:
            known: dict[str, OfferedTool] = {one.name: one for one in (await connection.offer()).tools}
            if tool not in known:
                raise NotFound(f"the MCP server '{server.name}' offers no tool '{tool[:100]}'")
            checked = check_arguments(tool, inlined(known[tool].parameters), arguments)
            return await self._call(view, connection, target, checked, chars_max)

    async def test(self, view: View, tenant: str, settings: Settings, secrets: Secrets) -> Offer:
        """What a server that is not stored offers; nothing is kept. Raises InvalidInput, McpFault."""
        settings, secrets = checked(settings, secrets)
        server = McpServer(tenant=tenant, id=self._host.ids.new("mcp_server"), settings=settings, shown=Secrets())
        lone = Connections(self._host, lambda server, _, watch: self._opened(server, secrets, None, watch))
        try:
            return await (await lone.use(view, server)).offer()
        finally:
            await lone.close()

    async def consent(self, view: View, server: McpServer, callback_url: str, announce: "Announce") -> None:
        """Ask the server as a stranger would, and get a person's consent where it wants one; `announce` is told the
        page to send them to. Returns when the tokens are kept, or when none are needed. Raises McpFault."""
        from kelpie.tools.mcp.consenting import knock

        provider = self._consents.asking(view, server, callback_url, announce)
        headers = headers_of(server.settings, await records.secrets_of(view, server, self._seal), self._variables)
        await knock(self._host, server, headers, provider, self._private_hosts)
        await self._connections.forget(server.id)

    def consented(self, state: str, code: str | None, iss: str | None, error: str | None) -> None:
        """A person came back from an authorization server. Raises InvalidInput if nobody waits for them."""
        self._consents.arrived(state, code, iss, error)

    async def forget(self, server_id: str) -> None:
        """A server's row was changed or removed: what is open to it is closed."""
        await self._connections.forget(server_id)

    async def close(self) -> None:
        """Close every connection; programs end with theirs."""
        await self._connections.close()

    @property
    def _consents(self) -> "Consents":
        if self._known_consents is None:
            from kelpie.tools.mcp.oauth import Consents

            self._known_consents = Consents(self._host, self._seal)
        return self._known_consents

    # ---- the ways to a server

    @asynccontextmanager
    async def _streams(self, server: McpServer, view: View, watch: Any) -> AsyncIterator[Any]:
        """The streams of a stored server, with its secrets, and with its tokens where a person consented."""
        secrets = await records.secrets_of(view, server, self._seal)
        has_tokens = bool(await records.oauth_of(view, server.tenant, server.id, self._seal))
        auth = self._consents.silent(view, server) if has_tokens and not secrets.token else None
        async with self._opened(server, secrets, auth, watch) as streams:
            yield streams

    @asynccontextmanager
    async def _opened(self, server: McpServer, secrets: Secrets, auth: Any, watch: Any) -> AsyncIterator[Any]:
        settings = server.settings
        if settings.transport == "stdio":
            async with self._program(settings, secrets, watch) as streams:
                yield streams
            return
        from kelpie.tools.mcp.addresses import Hosts
        from kelpie.tools.mcp.remote import remote_streams

        headers = headers_of(settings, secrets, self._variables)
        async with remote_streams(settings, headers, auth, Hosts(self._private_hosts), watch) as streams:
            yield streams

    @asynccontextmanager
    async def _program(self, settings: Settings, secrets: Secrets, watch: Any) -> AsyncIterator[Any]:
        from kelpie.tools.mcp.stdio import program_streams

        if self._opens_program is None:
            raise ToolUnavailable("stdio servers run in a jail, and this server was built without one")
        environment = self._variables.values(secrets.environment)
        program = await self._opens_program([settings.command, *settings.args], environment)
        async with program_streams(program, self._host, watch) as streams:
            yield streams


def audited(record: ToolRecord) -> Sandboxed:
    """What the audit is to know of a row's tool before it is called: a person added its server."""
    try:
        server = rows.target_of(record).server_name
    except ToolFailed:  # calls say so
        server = ""
    return Sandboxed(trust="reviewed", needs="", tool_id=record.id, version=record.version, server=server)
