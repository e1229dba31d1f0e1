"""The way out as code inside the real sandbox finds it."""

import functools

import pytest

from kelpie.sandbox import EgressRules, SandboxCall, egress

from .conftest import ALLOWED

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
TOOL = """
import socket
import urllib.error, urllib.request

def tool(urls):
    said = []
    for url in urls:
        try:
            said.append(urllib.request.urlopen(url, timeout=10).read().decode())
        except urllib.error.HTTPError as error:
            said.append(f"{error.code} {error.read().decode().strip()}")
        except OSError as error:
            said.append(str(error))
    return said

def direct():
    try:
        socket.create_connection(("127.0.0.1", 8283), timeout=5)
    except OSError as error:
        return str(error)
"""


@pytest.fixture
def reaching(sandbox, internet, monkeypatch):
    """The sandbox, whose proxies resolve and connect in a small internet of the test's own."""
    door = functools.partial(egress.open_door, resolve=internet.resolve, connect=internet.connect)
    monkeypatch.setattr(egress, "open_door", door)
    return sandbox


async def test_a_tool_reaches_what_is_listed_and_is_told_why_not_the_rest(reaching, internet):
    rules = EgressRules(hosts=(ALLOWED,))
    urls = [f"http://{ALLOWED}/", "http://evil.example/", "http://169.254.169.254/", f"https://{ALLOWED}:22/"]
    async with internet.server(internet.says(OK)):
        result = await reaching.exec(SandboxCall(TOOL, "tool", {"urls": urls}, egress=rules))
    assert result.error is None
    first, *rest = result.value
    assert first == "hello"
    assert all("403" in said for said in rest)
    assert result.network == [
        "evil.example:80: the host is not listed",
        "169.254.169.254:80: an address is reached only if it is listed itself",
        f"{ALLOWED}:22: port 22 is not listed",
    ]


async def test_there_is_no_way_around_the_proxy(reaching, internet):
    call = SandboxCall(TOOL, "direct", egress=EgressRules(hosts=(ALLOWED,)))
    result = await reaching.exec(call)
    assert "refused" in result.value.lower()


async def test_without_rules_there_is_no_way_out(reaching, internet):
    result = await reaching.exec(SandboxCall(TOOL, "tool", {"urls": [f"http://{ALLOWED}/"]}))
    assert "hello" not in str(result.value)
    assert internet.connected == []
