"""The proxy's socket for one call: what it lets through, what it counted, and what it refused."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from kelpie.errors import InvalidInput, MissingExtra
from kelpie.sandbox import limits
from kelpie.sandbox.egress.exchange import Budget, Exchange
from kelpie.sandbox.egress.gate import Connect, Gate, Resolve
from kelpie.sandbox.egress.hosts import AllowList
from kelpie.sandbox.sandbox import EgressRules
from umi.dst import Host


@dataclass(slots=True)
class Door:
    """A way out for one call.

    path     the unix socket on which the proxy listens; whoever can see it may use it
    refused  one line for each connection and request that was refused, the first of them only
    """

    path: str
    refused: list[str] = field(default_factory=list)

    def note(self, line: str) -> None:
        if len(self.refused) < limits.EGRESS_REFUSED_LINES_MAX:
            self.refused.append(line[: limits.EGRESS_LINE_CHARS_MAX])


@contextlib.asynccontextmanager
async def open_door(
    host: Host, rules: EgressRules, *, resolve: Resolve | None = None, connect: Connect | None = None
) -> AsyncIterator[Door]:
    """A door that is open inside `async with`; on leaving it every connection through it ends and the socket is gone.

    resolve, connect  instead of the system's, for tests; they can't change which addresses are public
    Raises InvalidInput for rules that say nothing sensible, MissingExtra without the extra `server`.
    """
    try:
        import h11  # noqa: F401 - asked for here, so that what is missing is said before anything runs
    except ImportError:
        raise MissingExtra("network for sandboxed code", "server") from None
    budget = _budget(rules)
    gate = Gate(host, AllowList(rules.hosts), resolve=resolve, connect=connect)
    with tempfile.TemporaryDirectory(prefix="kelpie-egress-") as folder:
        door = Door(os.path.join(folder, "socket"))
        tasks: dict[asyncio.Task[None], None] = {}

        def arrived(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            exchange = Exchange(host, gate, budget, (reader, writer), door.note)
            full = len(tasks) >= limits.EGRESS_CONNECTIONS_MAX
            most = f"more than {limits.EGRESS_CONNECTIONS_MAX} connections at once"
            task = host.spawn(exchange.refuse(most) if full else exchange.serve(), "egress")
            tasks[task] = None
            task.add_done_callback(lambda done: tasks.pop(done, None))

        server = await asyncio.start_unix_server(arrived, door.path)
        try:
            # Inside, the call is somebody else; its way to the socket is the bind mount alone, for the folder is ours.
            os.chmod(door.path, 0o666)  # noqa: S103
            yield door
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _budget(rules: EgressRules) -> Budget:
    for name, value, most in (
        ("bytes_max", rules.bytes_max, limits.EGRESS_BYTES_MAX),
        ("calls_max", rules.calls_max, limits.EGRESS_CALLS_MAX),
    ):
        if not 0 <= value <= most:
            raise InvalidInput(f"{name} of the network rules is {value:,}; it is from 0 to {most:,}")
    return Budget(rules.bytes_max, rules.calls_max)
