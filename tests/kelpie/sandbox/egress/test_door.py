"""Every way out that a sandbox might try, against the real proxy on its socket."""

import asyncio
import contextlib
from collections import deque
from pathlib import Path

import pytest

from kelpie.errors import InvalidInput
from kelpie.sandbox import limits
from kelpie.sandbox.egress import open_door
from kelpie.sandbox.sandbox import EgressRules

from .conftest import ALLOWED, PUBLIC, connect_to, get, send

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


async def echo(reader, writer):
    while chunk := await reader.read(65_536):
        writer.write(chunk)
        await writer.drain()


async def test_the_allowed_host_passes_by_request_and_by_tunnel(internet):
    async with internet.server(internet.says(OK)), internet.server(echo, port=443), internet.door() as door:
        answer = await send(door, get(f"http://{ALLOWED}/a?b=c"))
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert answer.endswith(b"\r\n\r\nhello")
        assert internet.heard[0].startswith(f"GET /a?b=c HTTP/1.1\r\nhost: {ALLOWED}\r\n".encode())
        reader, writer = await asyncio.open_unix_connection(door.path)
        writer.write(connect_to(f"{ALLOWED}:443") + b"early ")
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"and late")
        writer.write_eof()
        assert await reader.read() == b"early and late"
        writer.close()
        assert door.refused == []


@pytest.mark.parametrize(
    ("request_bytes", "reason"),
    [
        (get("http://evil.example/"), "the host is not listed"),
        (get(f"http://{ALLOWED}.evil.example/"), "the host is not listed"),
        (get(f"http://sub.{ALLOWED}/"), "the host is not listed"),
        (get(f"http://{ALLOWED}:8080/"), "port 8080 is not listed"),
        (connect_to(f"{ALLOWED}:22"), "port 22 is not listed"),
        (connect_to(ALLOWED), "names no port"),
        (connect_to("evil.example:443"), "the host is not listed"),
        (get(f"http://user:pw@{ALLOWED}/"), "user name or password"),
        (get(f"http://{ALLOWED}\\@evil.example/"), "a proxy is asked for"),
        (get(f"http://evil.example#@{ALLOWED}/"), "a proxy is asked for"),
        (get(f"https://{ALLOWED}/"), "a proxy is asked for"),
        (get("/"), "a proxy is asked for"),
        (get("ftp://x/"), "a proxy is asked for"),
        (get("http:///"), "not a host name"),
        (get("http://127.0.0.1/"), "listed itself"),
        (get("http://2130706433/"), "programs read differently"),
        (get("http://0x7f.1/"), "programs read differently"),
        (get("http://0177.0.0.1/"), "programs read differently"),
        (get("http://[::ffff:127.0.0.1]/"), "listed itself"),
        (get("http://[fe80::1%25eth0]/"), "zone"),
        (connect_to("[::1]:443"), "listed itself"),
        (b"hello\r\n\r\n", "not plain HTTP/1.1"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "not plain HTTP/1.1"),
        (get("http://x/", "A: " + "a" * (limits.EGRESS_HEAD_BYTES_MAX + 1)), "longer than"),
        (get("http://x/", "A: " + "a" * 200_000), "not plain HTTP/1.1"),
        (get("http://x/", *["A: a"] * (limits.EGRESS_HEADERS_MAX + 1)), "headers"),
        (b"GET http://x/ HTTP/2.0\r\nHost: x\r\n\r\n", "not HTTP/1.1"),
        (get(f"http://{ALLOWED}/", "Content-Length: 3", "Content-Length: 4"), "conflicting Content-Length"),
        (get(f"http://{ALLOWED}/", "Content-Length: 3", "Transfer-Encoding: chunked"), "both Content-Length"),
        (get(f"http://{ALLOWED}/", "Transfer-Encoding: gzip, chunked"), "not plain HTTP/1.1"),
        (get(f"http://{ALLOWED}/", "Transfer-Encoding : chunked"), "not plain HTTP/1.1"),
        (get(f"http://{ALLOWED}/", "Content-Length: 3", "Connection: close, content-length"), "takes away"),
    ],
)
async def test_what_is_refused_is_told_why_and_recorded_and_reaches_nobody(internet, request_bytes, reason):
    async with internet.server(internet.says(OK)), internet.door() as door:
        answer = await send(door, request_bytes)
        assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
        assert reason in answer.decode()
        assert len(door.refused) == 1
        assert reason in door.refused[0]
        assert internet.connected == []
        assert internet.asked == []


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "fd00:ec2::254", "100.100.1.1"])
async def test_an_allowed_name_that_leads_inside_is_refused(internet, address):
    internet.names[ALLOWED] = deque([[address]])
    async with internet.door() as door:
        assert b"no public address" in await send(door, get(f"http://{ALLOWED}/"))
        assert b"no public address" in await send(door, connect_to(f"{ALLOWED}:443"))
        assert len(door.refused) == 2
        assert internet.connected == []


async def test_a_name_that_changes_its_answer_is_checked_at_each_request(internet):
    """DNS rebinding: the first answer is used for the first request and no other."""
    internet.names[ALLOWED] = deque([[PUBLIC], ["127.0.0.1"]])
    async with internet.server(internet.says(OK)), internet.door() as door:
        assert (await send(door, get(f"http://{ALLOWED}/"))).startswith(b"HTTP/1.1 200")
        assert (await send(door, get(f"http://{ALLOWED}/"))).startswith(b"HTTP/1.1 403")
        assert internet.connected == [(PUBLIC, 80)]


async def test_a_redirect_to_a_link_local_address_is_refused_where_it_is_followed(internet):
    where = b"http://169.254.169.254/latest/meta-data/"
    moved = b"HTTP/1.1 302 Found\r\nLocation: " + where + b"\r\nContent-Length: 0\r\n\r\n"
    async with internet.server(internet.says(moved)), internet.door() as door:
        answer = await send(door, get(f"http://{ALLOWED}/"))
        assert where in answer
        followed = await send(door, get(where.decode()))
        assert followed.startswith(b"HTTP/1.1 403")
        assert internet.connected == [(PUBLIC, 80)]
        assert door.refused == ["169.254.169.254:80: an address is reached only if it is listed itself"]


async def test_a_request_smuggled_behind_another_reaches_nobody(internet):
    second = get(f"http://{ALLOWED}/second")
    async with internet.server(internet.says(OK)), internet.door() as door:
        await send(door, get(f"http://{ALLOWED}/first") + second)
        await send(door, get(f"http://{ALLOWED}/third", "Content-Length: 0", method="POST") + second)
        assert len(internet.connected) == 2
        assert not any(b"second" in heard for heard in internet.heard)


async def test_headers_between_two_hops_stay_there(internet):
    async with internet.server(internet.says(OK)), internet.door() as door:
        mine = ("Proxy-Authorization: Basic x", "Connection: X-Mine", "X-Mine: 1", "TE: trailers", "Upgrade: websocket")
        await send(door, get(f"http://{ALLOWED}/", *mine, "Accept: */*", "Keep-Alive: 5"))
    head = internet.heard[0].lower().split(b"\r\n")
    assert sorted(head[1:-2]) == [b"accept: */*", b"connection: close", b"host: api.example.com"]


@pytest.mark.parametrize(
    ("header", "body"),
    [("Content-Length: 11", b"hello world"), ("Transfer-Encoding: chunked", b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")],
)
async def test_a_body_goes_out_as_it_was_framed(internet, header, body):
    async with internet.server(internet.says(OK, until=body[-7:])), internet.door() as door:
        request = get(f"http://{ALLOWED}/", header, "Expect: 100-continue", method="POST")
        reader, writer = await asyncio.open_unix_connection(door.path)
        writer.write(request)
        assert b" 100 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(body)
        assert b"200 OK" in await reader.read()
        writer.close()
    head, _, sent = internet.heard[0].partition(b"\r\n\r\n")
    assert header.lower().encode() in head.lower()
    assert sent == body


async def test_an_answer_before_the_end_of_the_body_arrives(internet):
    async def hasty(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await writer.drain()

    async with internet.server(hasty), internet.door() as door:
        reader, writer = await asyncio.open_unix_connection(door.path)
        writer.write(get(f"http://{ALLOWED}/", "Content-Length: 1000000", method="POST"))
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 413")
        assert answer.endswith(b"no")
        writer.close()


async def test_a_body_shorter_than_it_says_is_no_request(internet):
    async with internet.server(internet.says(OK, until=b"nowhere")), internet.door() as door:
        reader, writer = await asyncio.open_unix_connection(door.path)
        writer.write(get(f"http://{ALLOWED}/", "Content-Length: 10", method="POST", body=b"short"))
        writer.write_eof()
        assert (await reader.read()).startswith(b"HTTP/1.1 403")
        assert "body" in door.refused[0]
        writer.close()


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n2\r\nhi\r\n0\r\n\r\n", b"2\r\nhi"),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", b"to the end"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", b" 204 "),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", b" 502 "),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000 + OK, b" 502 "),
        (b"what is this\r\n\r\n", b" 502 "),
        (b"", b" 502 "),
    ],
)
async def test_an_answer_is_written_anew(internet, answer, seen):
    async with internet.server(internet.says(answer)), internet.door() as door:
        received = await send(door, get(f"http://{ALLOWED}/"))
        assert seen in received
        assert b"9\r\n" not in received
        assert door.refused == []


async def test_bytes_both_ways_come_off_one_budget(internet):
    async with internet.server(echo, port=443), internet.door(bytes_max=150_000) as door:
        reader, writer = await asyncio.open_unix_connection(door.path)
        writer.write(connect_to(f"{ALLOWED}:443"))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"x" * 100_000)
        received = bytearray()
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65_536):
                received += chunk
        assert len(received) <= 50_000
        assert door.refused == ["the budget of 150,000 bytes for this call is used up"]
        writer.close()
        assert b" 403 " in await send(door, connect_to(f"{ALLOWED}:443"))
        assert len(internet.connected) == 1


async def test_an_answer_larger_than_the_budget_has_no_clean_end(internet):
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000
    async with internet.server(internet.says(large)), internet.door(bytes_max=100_000) as door:
        received = await send(door, get(f"http://{ALLOWED}/"))
        assert b"content-length: 300000" in received
        assert len(received) < 110_000
        assert "100,000 bytes" in door.refused[0]


async def test_a_flood_of_tiny_pieces_uses_the_budget_up(internet):
    """Ten thousand chunks of one byte are 60 kB, and cost a server far more than that."""
    chunks = b"1\r\nx\r\n" * 10_000 + b"0\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    async with internet.server(internet.says(answer)), internet.door(bytes_max=1_000_000) as door:
        received = await send(door, get(f"http://{ALLOWED}/"))
        assert received.count(b"\r\nx\r\n") < 4_000
        await send(door, get(f"http://{ALLOWED}/", "Transfer-Encoding: chunked", method="POST", body=chunks))
        assert len(door.refused) == 2


async def test_connections_are_counted_refused_ones_too(internet):
    async with internet.server(internet.says(OK)), internet.door(calls_max=2) as door:
        assert b" 403 " in await send(door, get("http://evil.example/"))
        assert b" 200 " in await send(door, get(f"http://{ALLOWED}/"))
        answer = await send(door, get(f"http://{ALLOWED}/"))
        assert b" 403 " in answer
        assert b"2 connections and requests" in answer
        assert len(internet.connected) == 1


async def test_connections_at_once_have_a_bound(internet, monkeypatch):
    monkeypatch.setattr(limits, "EGRESS_CONNECTIONS_MAX", 2)
    async with internet.door() as door:
        idle = [await asyncio.open_unix_connection(door.path) for _ in range(2)]
        assert b"more than 2 connections" in await send(door, b"")
        for _, writer in idle:
            writer.close()


@pytest.mark.parametrize("bound", ["EGRESS_IDLE_MS_MAX", "EGRESS_TOTAL_MS_MAX"])
async def test_a_client_that_says_nothing_is_not_waited_for_for_ever(internet, monkeypatch, bound):
    monkeypatch.setattr(limits, bound, 50)
    async with internet.door() as door:
        assert b" 504 " in await send(door, b"GET http://half-a-request")


async def test_a_tunnel_that_talks_is_not_idle_and_ends_at_the_total(internet, monkeypatch):
    monkeypatch.setattr(limits, "EGRESS_IDLE_MS_MAX", 200)
    monkeypatch.setattr(limits, "EGRESS_TOTAL_MS_MAX", 1_000)
    ticks = 0

    async def ticking(_reader, writer):
        nonlocal ticks
        while True:
            writer.write(b".")
            await writer.drain()
            ticks += 1
            await asyncio.sleep(0.02)

    async with internet.server(ticking, port=443), internet.door() as door:
        await send(door, connect_to(f"{ALLOWED}:443"))
    assert ticks > 10  # beyond what the idle bound alone would have let pass


async def test_who_still_writes_reads_why_it_was_refused(internet):
    async with internet.door() as door:
        body = b"x" * 3_000_000  # more than fits between the two
        answer = await send(door, get("http://evil.example/", f"Content-Length: {len(body)}", method="POST", body=body))
        assert b"the host is not listed" in answer


async def test_what_is_down_is_no_refusal(internet):
    async with internet.door() as door:
        assert b" 502 " in await send(door, get(f"http://{ALLOWED}/"))
        assert b" 502 " in await send(door, connect_to(f"{ALLOWED}:443"))
        assert door.refused == []


async def test_the_record_is_printable_and_has_an_end(internet, monkeypatch):
    monkeypatch.setattr(limits, "EGRESS_REFUSED_LINES_MAX", 3)
    async with internet.door() as door:
        for _ in range(5):
            await send(door, get("http://evil.example/" + "a" * 1_000))
            await send(door, get("x:\x1b[31m"))
        assert len(door.refused) == 3
        assert all(line.isprintable() and len(line) <= limits.EGRESS_LINE_CHARS_MAX for line in door.refused)


async def test_leaving_ends_every_connection_and_the_socket(internet):
    async with internet.server(echo, port=443):
        async with internet.door() as door:
            reader, writer = await asyncio.open_unix_connection(door.path)
            writer.write(connect_to(f"{ALLOWED}:443"))
            await reader.readuntil(b"\r\n\r\n")
        assert await reader.read() == b""
        assert not Path(door.path).parent.exists()
        writer.close()


@pytest.mark.parametrize(
    "rules",
    [
        EgressRules(hosts=("not a host",)),
        EgressRules(hosts=("*",)),
        EgressRules(hosts=(ALLOWED,), bytes_max=-1),
        EgressRules(hosts=(ALLOWED,), calls_max=limits.EGRESS_CALLS_MAX + 1),
    ],
)
async def test_rules_without_sense_open_nothing(host, rules):
    with pytest.raises(InvalidInput):
        async with open_door(host, rules):
            pass
