"""What a request names, in one form only, and the list that says whether it may be reached."""

import ipaddress
import re
from collections.abc import Sequence
from typing import NamedTuple

from kelpie.errors import InvalidInput
from kelpie.sandbox import limits

WEB_PORTS = (80, 443)
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# What a URL parser somewhere takes for an address: 2130706433, 0x7f.1, 0177.0.0.1, 127.1, example.0x1.
_NUMERIC_END = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_PORT = re.compile(r"[0-9]{1,5}")


class Target(NamedTuple):
    """A host in its one form (lower case, no final dot; an address as `ipaddress` writes it) and a port.

    literal  the host is an address, so nothing is resolved
    """

    host: str
    port: int
    literal: bool = False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_authority(text: str, default_port: int | None) -> Target:
    """`host`, `host:port` or `[address]:port` as a Target. Raises ValueError that says what is wrong.

    default_port  for a text without one; None if it must name one
    """
    if "@" in text:
        raise ValueError("it holds a user name or password")
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise ValueError("its brackets do not close")
        port_text = rest[1:] if rest else None
    else:
        host, colon, port_text = text.partition(":")
        port_text = port_text if colon else None
    if port_text is None and default_port is None:
        raise ValueError("it names no port")
    port = default_port if port_text is None else _port(port_text)
    assert port is not None
    host, literal = _host(host, bracketed=text.startswith("["))
    return Target(host, port, literal)


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or not 0 < int(text) < 65_536:
        raise ValueError("its port is not a number from 1 to 65535")
    return int(text)


def _host(text: str, *, bracketed: bool) -> tuple[str, bool]:
    """(the host in its one form, whether it is an address)."""
    if bracketed:
        if "%" in text:
            raise ValueError("it is an address with a zone")
        try:
            return str(ipaddress.IPv6Address(text)), True
        except ValueError:
            raise ValueError("it is not an IPv6 address") from None
    name = text.lower().removesuffix(".")
    if len(name) > limits.EGRESS_HOST_CHARS_MAX or not _NAME.fullmatch(name):
        raise ValueError("it is not a host name (one in another script is written in punycode)")
    if not _NUMERIC_END.fullmatch(name):
        return name, False
    try:
        return str(ipaddress.IPv4Address(text)), True
    except ValueError:
        raise ValueError("it is an address in a form that programs read differently") from None


class AllowList:
    """The hosts that may be reached.

    entries    "example.com" (that host alone), "*.example.com" (those below it), each with ":8443" for that port
               instead of 80 and 443
    any_host   whether "*" (every public name on 80 and 443) is an entry too: an operator's word, never a tool's
    Raises InvalidInput naming the entry that is none.
    """

    def __init__(self, entries: Sequence[str], *, any_host: bool = False) -> None:
        if len(entries) > limits.EGRESS_HOSTS_MAX:
            raise InvalidInput(f"{len(entries)} hosts are listed; at most {limits.EGRESS_HOSTS_MAX} fit")
        self._any = any_host and "*" in entries
        self._exact: set[Target] = set()
        self._below: set[tuple[str, int]] = set()
        for entry in entries:
            if not (self._any and entry == "*"):
                self._add(entry)

    def _add(self, entry: str) -> None:
        below = entry.startswith("*.")
        try:
            target = read_authority(entry.removeprefix("*."), 0)
        except ValueError as error:
            raise InvalidInput(f"{entry[:200]!r} is no host to list: {error}") from None
        if below and (target.literal or "." not in target.host):
            raise InvalidInput(f"{entry[:200]!r} is too wide: '*.' goes before a name of two parts or more")
        for port in (target.port,) if target.port else WEB_PORTS:
            if below:
                self._below.add((f".{target.host}", port))
            else:
                self._exact.add(target._replace(port=port))

    def why_not(self, target: Target) -> str | None:
        """None if the target is on the list, else why not."""
        if target in self._exact:
            return None
        if target.literal:
            return "an address is reached only if it is listed itself"
        if self._any and target.port in WEB_PORTS:
            return None
        suffixes = {name for name, _ in self._below if target.host.endswith(name)}
        if any((name, target.port) in self._below for name in suffixes):
            return None
        known = suffixes or self._any or any(listed.host == target.host for listed in self._exact)
        return f"port {target.port} is not listed" if known else "the host is not listed"
