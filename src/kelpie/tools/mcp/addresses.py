"""Which hosts an MCP server may be at, and one address for each request: the one that was checked.

A name is looked up here and the connection goes to the address that came of it, so that a name which answers
differently the second time gains nothing. What is no public address is refused unless the operator named the host.
"""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import ip_address

import httpx2

from kelpie.errors import ToolUnavailable
from kelpie.sandbox.egress.addresses import why_not_public

_PORTS = {"http": 80, "https": 443}


class Hosts:
    """
    allowed  hosts that may have any address and plain http, as "name", "name:port" or an address: the operator's word
    """

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self._allowed = frozenset(one.strip().lower() for one in allowed)

    def allows(self, url: httpx2.URL) -> bool:
        """Whether the operator named this URL's host."""
        port = url.port or _PORTS.get(url.scheme, 0)
        return url.host.lower() in self._allowed or f"{url.host.lower()}:{port}" in self._allowed

    async def address_of(self, url: httpx2.URL) -> str:
        """The address to connect to. Raises ToolUnavailable naming host and reason."""
        if url.scheme not in _PORTS or not url.host:
            raise ToolUnavailable(f"an MCP server is reached over http or https, not by {url.scheme or 'nothing'}")
        is_allowed = self.allows(url)
        if url.scheme == "http" and not is_allowed:
            raise ToolUnavailable(
                f"plain http to {url.host} is refused: use https, or let the operator name the host in"
                " KELPIE_MCP_PRIVATE_HOSTS"
            )
        found = await _look_up(url.host, url.port or _PORTS[url.scheme])
        why = next(filter(None, map(why_not_public, found)), None)
        if why is not None and not is_allowed:
            raise ToolUnavailable(
                f"{url.host} has an address that is not public ({why}): the operator may name the host in"
                " KELPIE_MCP_PRIVATE_HOSTS"
            )
        return found[0]


async def _look_up(host: str, port: int) -> list[str]:
    """Its addresses, those of IPv4 first; at least one. Raises ToolUnavailable."""
    try:
        return [str(ip_address(host.strip("[]")))]
    except ValueError:
        pass
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ToolUnavailable(f"the host {host} was not found: {error}") from None
    addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
    if not addresses:
        raise ToolUnavailable(f"the host {host} has no address")
    return sorted(addresses, key=lambda address: ":" in address)
