"""Where a tenant may have this server send its requests: to the internet, or to hosts that the operator named.

The default tenant is whoever runs the server, and reaches what the server reaches. A name is looked up when a provider
is stored or checked; what it means later is not looked at again.
"""

import asyncio
import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from kelpie.api.house import Caller
from kelpie.config import DEFAULT_TENANT
from kelpie.errors import InvalidInput
from kelpie.sandbox.egress.addresses import why_not_public


async def check_reachable(who: Caller, url: str) -> None:
    """Raises InvalidInput, naming the host and what is wrong with it."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    named = {one.strip().lower() for one in who.house.provider_hosts}
    if who.tenant == DEFAULT_TENANT or not url or not named.isdisjoint((host, f"{host}:{parts.port}")):
        return
    remedy = "the operator may name the host in KELPIE_PROVIDER_PRIVATE_HOSTS"
    if parts.scheme != "https":
        raise InvalidInput(f"a provider at {host or 'no host'} is reached over https, or {remedy}")
    for address in await _addresses(host):
        why = why_not_public(address)
        if why is not None:
            raise InvalidInput(f"{host} has an address that is not public ({why}): {remedy}")


async def _addresses(host: str) -> list[str]:
    try:
        return [str(ip_address(host))]
    except ValueError:
        pass
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise InvalidInput(f"the host {host} was not found") from None
    return [str(entry[4][0]) for entry in found]
