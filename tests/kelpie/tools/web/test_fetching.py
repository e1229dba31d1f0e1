"""Pages from real servers on loopback, which stand for public addresses."""

import asyncio
import contextlib
import ssl
import subprocess
import sys

import httpcore2
import pytest

from kelpie.errors import ToolFailed
from kelpie.tools.web import Fetcher, limits, readable

SITE, PUBLIC = "news.example.com", "93.184.216.34"
PAGE = (
    b"<html><head><title>News</title><script>bad()</script></head><body><h1>Hello</h1><p>A <b>b</b></p></body></html>"
)


class Internet(httpcore2.AnyIOBackend):
    """Names and addresses as tests say; `connect_tcp` leads a public address to the server that stands for it."""

    def __init__(self):
        self.names = {SITE: [PUBLIC]}
        self.places = {}
        self.connected = []
        self.heard = []

    async def resolve(self, name, port):
        if name not in self.names:
            raise OSError("no such name")
        return self.names[name]

    async def connect_tcp(self, host, port, *how, **more):
        self.connected.append((host, port))
        if (host, port) not in self.places:
            raise httpcore2.ConnectError
        return await super().connect_tcp("127.0.0.1", self.places[host, port], *how, **more)

    @contextlib.asynccontextmanager
    async def server(self, *answers, address=PUBLIC, port=80, tls=None):
        """One answer after the other, the last for ever."""
        left = list(answers)

        async def serve(reader, writer):
            with contextlib.suppress(ConnectionError, EOFError):
                self.heard.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(left.pop(0) if len(left) > 1 else left[0])
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        self.places[address, port] = server.sockets[0].getsockname()[1]
        async with server:
            yield


def answer(body, kind="text/html", *more, status="200 OK"):
    lines = (f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *more)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def moved(where, status="302 Found"):
    return answer(b"", "text/html", f"Location: {where}", status=status)


@pytest.fixture
def internet():
    return Internet()


@pytest.fixture
def fetcher(host, internet):
    return Fetcher(host, ["*"], resolve=internet.resolve, backend=internet)


async def test_html_is_read_as_markdown(fetcher, internet):
    async with internet.server(answer(PAGE, "text/html; charset=utf-8")):
        page = await fetcher.page(f"http://{SITE}/a?b=c#d")
    assert (page.title, page.url) == ("News", f"http://{SITE}/a?b=c#d")
    assert page.text == "# Hello\n\nA **b**"
    head = internet.heard[0].decode().lower()
    assert head.startswith(f"get /a?b=c http/1.1\r\nhost: {SITE}\r\n")
    assert "cookie" not in head
    assert "authorization" not in head


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "application/feed+json", "text/csv; charset=utf-8"])
async def test_other_text_is_given_as_it_is(fetcher, internet, kind):
    async with internet.server(answer(b'{"a": "<b>"}\xff', kind)):
        page = await fetcher.page(f"http://{SITE}/")
    assert page.text == '{"a": "<b>"}\ufffd'


async def test_redirects_are_followed_each_with_its_own_check(fetcher, internet):
    internet.names["other.example.com"] = ["93.184.216.35"]
    async with (
        internet.server(moved("/b"), moved("http://other.example.com/c", "308 Permanent Redirect")),
        internet.server(answer(b"found", "text/plain"), address="93.184.216.35"),
    ):
        page = await fetcher.page(f"http://{SITE}/a")
    assert (page.url, page.text) == ("http://other.example.com/c", "found")
    assert internet.connected == [(PUBLIC, 80), (PUBLIC, 80), ("93.184.216.35", 80)]


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("http://169.254.169.254/latest/meta-data/", "listed itself"),
        ("http://inside.example.com/", "no public address"),
        ("//127.0.0.1/", "listed itself"),
        ("http://2130706433/", "read differently"),
        ("http://[::ffff:127.0.0.1]/", "listed itself"),
        (f"http://{SITE}:22/", "port 22 is not listed"),
        ("file:///etc/passwd", "begins with https"),
        ("http://a:b@example.com/", "user name or password"),
    ],
)
async def test_a_redirect_to_what_is_not_public_is_refused(fetcher, internet, where, reason):
    internet.names["inside.example.com"] = ["10.0.0.1"]
    async with internet.server(moved(where)):
        with pytest.raises(ToolFailed, match=reason):
            await fetcher.page(f"http://{SITE}/")
    assert internet.connected == [(PUBLIC, 80)]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:8283/v1/agents/", "listed itself"),
        ("http://0x7f.1/", "read differently"),
        ("http://localhost/", "can't be reached|not public|no public"),
        ("http://127\u30020\u30020\u30021/", "listed itself"),
        ("http://ex%61mple.com/", "not a host name"),
        ("ftp://example.com/", "begins with"),
        ("example.com", "begins with"),
        ("http://", "begins with"),
        ("", "begins with"),
        ("http://user:secret@example.com/", "user name or password"),
        ("http://unknown.example.com/", "the name is not known"),
        ("http://" + "a" * limits.WEB_URL_CHARS_MAX, "characters"),
        ("http://a\x00b/", "no address"),
    ],
)
async def test_what_is_no_public_page_is_refused(fetcher, internet, url, reason):
    with pytest.raises(ToolFailed, match=reason) as refusal:
        await fetcher.page(url)
    assert "secret" not in str(refusal.value)
    assert internet.connected == []


async def test_only_listed_hosts_are_fetched_from(host, internet):
    fetcher = Fetcher(host, [SITE], resolve=internet.resolve, backend=internet)
    internet.names["other.example.com"] = [PUBLIC]
    async with internet.server(answer(b"x", "text/plain")):
        assert (await fetcher.page(f"http://{SITE}/")).text == "x"
        with pytest.raises(ToolFailed, match="not listed"):
            await fetcher.page("http://other.example.com/")


async def test_redirects_have_an_end(fetcher, internet):
    async with internet.server(moved("/again")):
        with pytest.raises(ToolFailed, match="redirects"):
            await fetcher.page(f"http://{SITE}/")
    assert len(internet.connected) == limits.WEB_REDIRECTS_MAX + 1


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (answer(b"x", "image/png"), "image/png, which is no text"),
        (answer(b"x", "text/html", status="404 Not Found"), "status 404"),
        (answer(b"x", "text/html", "Content-Encoding: gzip"), "compressed"),
        (answer(b"x" * (limits.WEB_PAGE_BYTES_MAX + 1), "text/plain"), "more than"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "RemoteProtocolError"),
        (b"what\r\n\r\n", "RemoteProtocolError"),
        (b"", "RemoteProtocolError|ReadError"),
    ],
)
async def test_what_can_not_be_read_is_said(fetcher, internet, said, reason):
    async with internet.server(said):
        with pytest.raises(ToolFailed, match=reason):
            await fetcher.page(f"http://{SITE}/")


async def test_a_server_that_never_answers_costs_a_deadline(fetcher, internet, monkeypatch):
    monkeypatch.setattr(limits, "WEB_FETCH_MS_MAX", 100)
    stuck = asyncio.Event()

    async def serve(_reader, writer):
        await stuck.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        internet.places[PUBLIC, 80] = server.sockets[0].getsockname()[1]
        with pytest.raises(ToolFailed, match="longer than"):
            await fetcher.page(f"http://{SITE}/")
        stuck.set()


@pytest.mark.parametrize("piece", ["<![CDATA[", "<a "])
async def test_a_page_made_to_take_for_ever_costs_a_bound(fetcher, internet, monkeypatch, piece):
    monkeypatch.setattr(limits, "READABLE_CPU_S_MAX", 1)
    async with internet.server(answer(piece.encode() * 100_000)):
        with pytest.raises(ToolFailed, match="could not be read within the bounds"):
            await fetcher.page(f"http://{SITE}/")


async def test_a_page_nested_too_deeply_is_read_without_its_structure(fetcher, internet):
    async with internet.server(answer(b"<div>" * 3_000 + b"deep")):
        assert (await fetcher.page(f"http://{SITE}/")).text == "deep"


def test_the_reader_runs_without_any_environment():
    read = subprocess.run(
        [sys.executable, "-E", "-P", readable.__file__], input=PAGE, env={}, capture_output=True, check=True
    )
    assert read.stdout == b'{"title": "News", "text": "# Hello\\n\\nA **b**"}'


@pytest.fixture
def certificate(tmp_path):
    """(the server's context, the client's) for SITE alone."""
    import datetime as dt

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SITE)])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2120, 1, 1, tzinfo=dt.UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(SITE)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=str(path))


async def test_https_is_checked_against_the_name_not_the_address(host, internet, certificate):
    tls, trust = certificate
    internet.names["other.example.com"] = [PUBLIC]
    fetcher = Fetcher(host, ["*"], resolve=internet.resolve, backend=internet, tls=trust)
    async with internet.server(answer(b"safe", "text/plain"), port=443, tls=tls):
        assert (await fetcher.page(f"https://{SITE}/")).text == "safe"
        with pytest.raises(ToolFailed, match="ConnectError"):
            await fetcher.page("https://other.example.com/")
