"""Addresses in all their disguises."""

import ipaddress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kelpie.sandbox.egress.addresses import why_not_public

v4 = st.ip_addresses(v=4)
v6 = st.ip_addresses(v=6)


@pytest.mark.parametrize(
    "address",
    "0.0.0.0 10.1.2.3 100.64.0.1 100.100.100.200 127.0.0.1 127.9.9.9 168.63.129.16 169.254.169.254 172.16.0.1"
    " 172.31.255.255 192.0.0.192 192.168.1.1 198.18.0.1 224.0.0.1 255.255.255.255 :: ::1 ::ffff:127.0.0.1"
    " ::ffff:8.8.8.8 ::127.0.0.1 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1 2001::1 2002:7f00:1:: fe80::1 fec0::1"
    " fc00::1 fd00:ec2::254 ff02::1 2001:db8::1 3fff::1 100::1 5f00::1 4000::1 2606:4700::5efe:7f00:1"
    " 2606:4700::200:5efe:7f00:1 fe80::1%eth0 2606:4700::1%1 localhost 127.1 2130706433 0x7f000001 0177.0.0.1"
    " 1.2.3.4.5 256.1.1.1 1.2.3.4/32".split(),
)
def test_what_is_no_public_address_has_a_reason(address):
    assert why_not_public(address)


@pytest.mark.parametrize(
    "address", "1.1.1.1 8.8.8.8 93.184.216.34 172.32.0.1 2606:4700:4700::1111 2a00:1450::1".split()
)
def test_a_public_address_has_none(address):
    assert why_not_public(address) is None


@settings(deadline=None)
@given(v4)
@example(ipaddress.IPv4Address("192.0.0.9"))
def test_no_ipv4_address_passes_that_python_calls_local(address):
    local = not address.is_global or address.is_private or address.is_multicast or address.is_reserved
    assert why_not_public(str(address)) is not None or not local


@settings(deadline=None)
@given(v6)
def test_no_ipv6_address_passes_that_python_calls_local(address):
    local = not address.is_global or address.is_private or address.is_multicast or address.is_site_local
    assert why_not_public(str(address)) is not None or not local


@settings(deadline=None)
@given(
    v4,
    st.sampled_from(
        ["::ffff:{a}", "::{a}", "::ffff:0:{a}", "64:ff9b::{a}", "2002:{h}::1", "2001:0:{h}::1", "2a00::5efe:{a}"]
    ),
)
def test_no_ipv4_address_passes_inside_an_ipv6_address(address, form):
    number = int(address)
    hidden = form.format(a=address, h=f"{number >> 16:x}:{number & 0xFFFF:x}")
    assert ipaddress.IPv6Address(hidden)
    assert why_not_public(hidden)
