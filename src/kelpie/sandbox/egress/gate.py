"""From an allowed name to a connection: resolved once, every address checked, and one of these addresses used.

Between check and use nothing is resolved again, so a name that answers differently the second time gains nothing.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence

from kelpie.sandbox import limits
from kelpie.sandbox.egress.addresses import why_not_public
from kelpie.sandbox.egress.hosts import AllowList, Target
from umi.dst import Host

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
# (name, port) -> its addresses as text; OSError if it has none.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
# (address, port) -> streams to exactly that address; OSError if it can't be reached.
Connect = Callable[[str, int], Awaitable[Streams]]


class Refused(Exception):
    """A rule forbids it; the text is for whoever runs inside, and for the record."""


class Unreachable(Exception):
    """It is allowed and does not work: no such name, no answer."""


class Gate:
    """Who may be reached, and the only code that reaches them.

    resolve, connect  the system's; tests hand in their own
    """

    def __init__(
        self, host: Host, allowed: AllowList, *, resolve: Resolve | None = None, connect: Connect | None = None
    ) -> None:
        self._host = host
        self._allowed = allowed
        self._resolve = resolve or system_resolve
        self._connect = connect or system_connect
        # A lookup that hangs holds a thread of the whole server, and whoever runs a name server decides how long.
        self._looking_up = asyncio.Semaphore(limits.EGRESS_LOOKUPS_AT_ONCE_MAX)

    async def addresses(self, target: Target) -> list[str]:
        """The addresses a listed target may be reached at. Raises Refused if it isn't listed or if *any* of its
        addresses isn't public (a mixed answer is a trick), Unreachable if it has none."""
        why = self._allowed.why_not(target)
        if why is not None:
            raise Refused(f"{target}: {why}")
        found = [target.host] if target.literal else await self._resolved(target)
        for address in found:
            why = why_not_public(address)
            if why is not None:
                leads = "is" if target.literal else f"leads to {address[:100]}, which is"
                raise Refused(f"{target}: {leads} no public address ({why})")
        if not found:
            raise Unreachable(f"{target}: the name has no address")
        return found

    async def connect(self, target: Target) -> Streams:
        """Streams to the first of the target's addresses that answers. Raises as `addresses`, and Unreachable."""
        addresses = await self.addresses(target)
        for address in addresses[: limits.EGRESS_ADDRESSES_TRIED_MAX]:
            try:
                async with self._host.clock.timeout(limits.EGRESS_CONNECT_MS_MAX):
                    return await self._connect(address, target.port)
            except (OSError, TimeoutError):
                continue  # the next one may answer
        raise Unreachable(f"{target}: no answer")

    async def _resolved(self, target: Target) -> list[str]:
        try:
            async with self._host.clock.timeout(limits.EGRESS_RESOLVE_MS_MAX), self._looking_up:
                return list(dict.fromkeys(await self._resolve(target.host, target.port)))
        except TimeoutError:
            raise Unreachable(f"{target}: the name was not resolved in time") from None
        except (OSError, UnicodeError):
            raise Unreachable(f"{target}: the name is not known") from None


async def system_resolve(name: str, port: int) -> Sequence[str]:
    """By the system's resolver. The final dot keeps it from trying the name below this machine's own domains."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(f"{name}.", port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


async def system_connect(address: str, port: int) -> Streams:
    """A public address may still be this machine's own; what listens here is not for a sandbox."""
    reader, writer = await asyncio.open_connection(address, port)
    own, peer = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
    if own[0] == peer[0]:
        writer.transport.abort()
        raise Refused(f"{address} is an address of this machine itself")
    return reader, writer
