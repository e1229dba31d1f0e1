"""Which addresses a sandbox may be connected to: public unicast ones, by the registries of IANA and nothing else.

The lists are ours and not `ipaddress.is_global`, whose answer differs between versions of Python.
"""

import ipaddress

_V4 = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared by a carrier's customers",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "a cloud's own services",  # public by its number, answered by the machine's host
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "reserved",
    "192.0.2.0/24": "for documentation",
    "192.88.99.0/24": "a relay into 6to4",
    "192.168.0.0/16": "private",
    "198.18.0.0/15": "for measuring",
    "198.51.100.0/24": "for documentation",
    "203.0.113.0/24": "for documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
}
# Whatever lies outside 2000::/3 is refused anyway; these say why.
_V6 = {
    "::/128": "unspecified",
    "::1/128": "loopback",
    "::ffff:0:0/96": "an IPv4 address in disguise",
    "::ffff:0:0:0/96": "an IPv4 address in disguise",
    "::/96": "an IPv4 address in disguise",
    "64:ff9b::/96": "an IPv4 address behind a translator",
    "64:ff9b:1::/48": "an IPv4 address behind a translator",
    "2001::/32": "Teredo: an IPv4 address in disguise",
    "2001::/23": "reserved",
    "2001:db8::/32": "for documentation",
    "2002::/16": "6to4: an IPv4 address in disguise",
    "3fff::/20": "for documentation",
    "fc00::/7": "private",
    "fe80::/10": "link-local",
    "fec0::/10": "private",
    "ff00::/8": "multicast",
}
_V4_NETWORKS = [(ipaddress.IPv4Network(text), why) for text, why in _V4.items()]
_V6_NETWORKS = [(ipaddress.IPv6Network(text), why) for text, why in _V6.items()]
_V6_PUBLIC = ipaddress.IPv6Network("2000::/3")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # bits 64 to 95 of an IPv6 address whose last 32 are an IPv4 address


def why_not_public(address: str) -> str | None:
    """None for a public unicast address, else what it is. `address` is text as a resolver gives it."""
    if "%" in address:
        return "an address with a zone"
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "not an address"
    if isinstance(parsed, ipaddress.IPv4Address):
        return next((why for network, why in _V4_NETWORKS if parsed in network), None)
    why = next((why for network, why in _V6_NETWORKS if parsed in network), None)
    if why is None and parsed not in _V6_PUBLIC:
        why = "reserved"
    if why is None and (int(parsed) >> 32) & 0xFFFF_FFFF in _ISATAP:
        why = "ISATAP: an IPv4 address in disguise"
    return why
