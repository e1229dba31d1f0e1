"""Hosts in one form, and the list of those that are allowed."""

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kelpie.errors import InvalidInput
from kelpie.sandbox import limits
from kelpie.sandbox.egress.hosts import AllowList, Target, read_authority


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("Example.COM", Target("example.com", 80)),
        ("example.com.:8443", Target("example.com", 8443)),
        ("a_b.example.com", Target("a_b.example.com", 80)),
        ("8.8.8.8:53", Target("8.8.8.8", 53, literal=True)),
        ("[2606:4700:0:0::1]:443", Target("2606:4700::1", 443, literal=True)),
        ("1e100.net", Target("1e100.net", 80)),
    ],
)
def test_a_host_has_one_form(text, target):
    assert read_authority(text, 80) == target


@pytest.mark.parametrize(
    "text",
    "user@example.com user:pw@example.com example.com: example.com:0 example.com:65536 example.com:+1 example.com:8_0"
    " example.com:80:80 2130706433 0x7f000001 0x7f.1 0177.0.0.1 127.1 127.0.0.01 0x 1.2.3.4.5 foo.1 foo.0x1"
    " [::1 ::1 [fe80::1%25eth0] [fe80::1%eth0] [::1]443 [1.2.3.4] exämple.com example..com -a.com a-.com ex%61mple.com"
    " example.com\\evil.org 1.2.3.4\uff0e5 \u2460.com example.com\x00.evil.org . example.com\n".split(" "),
)
def test_other_forms_are_refused(text):
    with pytest.raises(ValueError, match=r"."):
        read_authority(text, 80)


@pytest.mark.parametrize("text", ["", " example.com", "a" * 64, ".".join(["a" * 60] * 5)])
def test_names_of_no_length_or_too_much_are_refused(text):
    with pytest.raises(ValueError, match="not a host name"):
        read_authority(text, 80)


def test_a_port_may_be_demanded():
    with pytest.raises(ValueError, match="names no port"):
        read_authority("example.com", None)


FORMS = st.sampled_from(
    [
        str,
        hex,
        lambda n: f"0{n:o}",
        lambda n: ".".join(f"0{part:o}" for part in n.to_bytes(4)),
        lambda n: ".".join(hex(part) for part in n.to_bytes(4)),
        lambda n: f"{n >> 24}.{n & 0xFFFFFF}",
        lambda n: f"{n >> 24}.{n >> 16 & 255}.{n & 0xFFFF}",
        lambda n: ".".join(f"{part:04d}" for part in n.to_bytes(4)),
        lambda n: "0x" + ".0x".join(f"{part:02X}" for part in n.to_bytes(4)),
    ]
)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), FORMS, st.sampled_from(["", "."]))
def test_an_address_is_read_in_its_plain_form_or_not_at_all(number, form, end):
    """Whatever some URL parser makes of it, none of these passes for a host's name."""
    text = form(number) + end
    try:
        target = read_authority(text, 80)
    except ValueError:
        return
    assert (target.host, target.literal) == (str(ipaddress.IPv4Address(number)), True)
    assert text == target.host


@pytest.mark.parametrize(
    ("entry", "reached"),
    [
        ("example.com", ["example.com:80", "EXAMPLE.com.:443"]),
        ("example.com:8443", ["example.com:8443"]),
        ("*.example.com", ["a.example.com:443", "b.a.example.com:80"]),
        ("*.example.com:8443", ["a.example.com:8443"]),
        ("8.8.8.8", ["8.8.8.8:443"]),
        ("[2606:4700::1]:53", ["[2606:4700::1]:53"]),
    ],
)
def test_what_is_listed_is_reached_and_nothing_else(entry, reached):
    allowed = AllowList([entry])
    everything = [
        *("example.com:80", "EXAMPLE.com.:443", "example.com:8443", "a.example.com:443", "b.a.example.com:80"),
        *("a.example.com:8443", "8.8.8.8:443", "[2606:4700::1]:53", "[2606:4700::1]:443", "example.org:80"),
        *("badexample.com:443", "example.com.evil.org:443", "example.com:22", "8.8.8.8:53"),
    ]
    assert [text for text in everything if allowed.why_not(read_authority(text, None)) is None] == reached


def test_it_says_whether_the_host_or_the_port_is_not_listed():
    allowed = AllowList(["example.com", "*.example.org"])
    assert allowed.why_not(Target("example.com", 22)) == "port 22 is not listed"
    assert allowed.why_not(Target("a.example.org", 22)) == "port 22 is not listed"
    assert allowed.why_not(Target("example.net", 443)) == "the host is not listed"


def test_a_star_alone_is_an_operators_word():
    with pytest.raises(InvalidInput, match="'\\*'"):
        AllowList(["*"])
    allowed = AllowList(["*", "example.com:8443"], any_host=True)
    assert allowed.why_not(Target("anything.example", 443)) is None
    assert allowed.why_not(Target("example.com", 8443)) is None
    assert allowed.why_not(Target("anything.example", 22)) == "port 22 is not listed"
    assert "listed itself" in allowed.why_not(Target("8.8.8.8", 443, literal=True))


@pytest.mark.parametrize(
    "entry", ["*.com", "*.8.8.8.8", "a.*.com", "*", "", "http://example.com", "example.com/path", "example.com:0"]
)
def test_an_entry_that_is_none_is_named(entry):
    with pytest.raises(InvalidInput, match=r"no host to list|too wide"):
        AllowList([entry])


def test_the_list_has_an_end():
    with pytest.raises(InvalidInput, match="at most"):
        AllowList(["example.com"] * (limits.EGRESS_HOSTS_MAX + 1))
