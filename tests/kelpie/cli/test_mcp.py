"""`kelpie mcp`, typed by a person in front of a real server."""

import pytest
from tests.kelpie.api.test_mcp_servers import in_thread
from tests.kelpie.tools.mcp.guarded import Authority
from tests.kelpie.tools.mcp.guarded import build as build_guarded
from tests.kelpie.tools.mcp.reference import build

from benchmarks.processes import start_backend, start_kelpie
from kelpie.cli import app as commands
from kelpie.console.client import Client


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli-mcp")
    backend = start_backend(folder)
    server = start_kelpie(folder, backend, KELPIE_MCP_PRIVATE_HOSTS="127.0.0.1", KELPIE_SECRET_MCP_T="sesame")
    server.wait_healthy("/v1/health/")
    yield server
    server.stop()
    backend.stop()


@pytest.fixture
def typed(place, monkeypatch, capsys):
    """`typed("mcp", "list")`: exit code and what was printed."""
    monkeypatch.setenv("KELPIE_URL", place.url)
    monkeypatch.setenv("COLUMNS", "300")
    opened, begin = [], Client.__init__

    def noted(client, *arguments):
        begin(client, *arguments)
        opened.append(client)

    monkeypatch.setattr(Client, "__init__", noted)

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["kelpie", *map(str, arguments)])
        code = commands.run()
        while opened:
            opened.pop().close()
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def test_a_server_is_added_listed_refreshed_and_removed(typed):
    thread = in_thread(app=build().streamable_http_app())
    try:
        assert "there are no MCP servers" in typed("mcp", "list")[1]
        code, said = typed("mcp", "add", "ref", "--at", f"{thread.value}/mcp", "--token", "KELPIE_SECRET_MCP_T")
        assert (code, "were not added" in said) == (0, False), said
        assert "streamable_http" in typed("mcp", "list")[1]
        assert "nothing changed" in typed("mcp", "refresh", "ref")[1]
        assert "ref: 5 tools" in typed("mcp", "connect", "ref")[1]
        assert typed("mcp", "remove", "ref")[0] == 0
        assert "no MCP server is named 'ref'" in typed("mcp", "refresh", "ref")[1]
    finally:
        thread.stop()


def test_what_can_not_be_reached_is_added_and_says_why(typed):
    code, said = typed("mcp", "add", "gone", "--at", "http://127.0.0.1:9/mcp")
    assert (code, "its tools were not added: unreachable" in said) == (0, True)
    assert "unreachable" in typed("mcp", "list")[1]
    assert typed("mcp", "connect", "gone")[0] == 1
    assert typed("mcp", "remove", "gone")[0] == 0
    assert "give a server's URL with --at" in typed("mcp", "add", "none")[1]
    assert typed("mcp", "add", "program", "--", "no-such-program", "-x")[0] == 0
    assert "no-such-program -x" in typed("mcp", "list")[1]


def test_a_page_to_visit_is_printed(typed, monkeypatch):
    from tests.kelpie.api.test_mcp_servers import visit

    from kelpie.console.show import Screen

    note = Screen.note

    def visited(self, text):
        note(self, text)
        if text.startswith("open this page: "):
            visit(text.removeprefix("open this page: "))

    monkeypatch.setattr(Screen, "note", visited)
    authority = Authority()
    thread = in_thread(made_for=lambda url: build_guarded(authority, url))
    try:
        assert "consent" in typed("mcp", "add", "guarded", "--at", f"{thread.value}/mcp")[1]
        assert "guarded: 1 tools" in typed("mcp", "connect", "guarded")[1]
    finally:
        thread.stop()
