"""A server that wants a person's consent, with an authorization server of the SDK's."""

import asyncio
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from tests.kelpie.tools.mcp.guarded import Authority, build
from tests.kelpie.tools.mcp.serving import serve

from kelpie.errors import InvalidInput, ToolUnavailable
from kelpie.tools.mcp import records
from kelpie.tools.mcp.faults import McpFault
from kelpie.tools.mcp.settings import Secrets

CALLBACK = "http://127.0.0.1:8283/v1/tools/mcp/oauth/callback"


@pytest.fixture
async def guarded(mcp):
    """(the authority, its server's row)."""
    authority = Authority()
    async with serve(made_for=lambda url: build(authority, url)) as url:
        yield authority, await mcp.server(transport="streamable_http", url=f"{url}/mcp")
        await mcp.tools.close()


async def consent(mcp, server, **answer):
    """What a browser does: go where it is sent, and come back with what it is given, or with `answer`."""
    sent = asyncio.Queue()
    flow = asyncio.ensure_future(mcp.tools.consent(mcp.view, server, CALLBACK, sent.put))
    asked = asyncio.ensure_future(sent.get())
    await asyncio.wait([flow, asked], return_when=asyncio.FIRST_COMPLETED)
    if not asked.done():
        asked.cancel()
        return await flow
    async with httpx2.AsyncClient(trust_env=False) as browser:
        page = await browser.get(asked.result())
    back = {name: values[0] for name, values in parse_qs(urlsplit(page.headers["location"]).query).items()}
    back = {"code": None, "iss": None, "error": None, **back, **answer}
    mcp.tools.consented(back["state"], back["code"], back["iss"], back["error"])
    return await flow


async def test_without_consent_the_call_says_what_is_missing(mcp, guarded):
    _, server = guarded
    with pytest.raises(McpFault, match="answers 401: it wants a token, or a person's consent"):
        await mcp.sync(server)
    assert (await mcp.report(server)).kind == "consent"


async def test_a_person_consents_once_and_the_tokens_are_never_shown(mcp, guarded):
    authority, server = guarded
    await consent(mcp, server)
    _, tools = await mcp.sync(server)
    assert (await mcp.call(tools["secret"])).text == "cheese"
    assert authority.given == 1
    assert "secret" not in repr(await records.get(mcp.view, "t", server.id))
    assert "access-1-secret" in str(await records.oauth_of(mcp.view, "t", server.id))

    mcp.made()  # this server starts anew: the tokens are in the store
    _, tools = await mcp.sync(server)
    assert (await mcp.call(tools["secret"])).text == "cheese"
    assert authority.given == 1


async def test_what_the_server_is_sent_is_not_sent_to_its_authority(mcp, guarded):
    authority, server = guarded
    secrets = Secrets(headers={"x-key": "for the server alone"})
    _, changes = await records.plan_update(mcp.view, "t", server.id, 1, server.settings, secrets)
    await mcp.database.commit(changes)
    await consent(mcp, server)
    sent = {path for path, headers in authority.asked if b"x-key" in headers}
    others = {path for path, _ in authority.asked} - sent
    assert sent == {"/mcp"}
    assert {"/token", "/register", "/.well-known/oauth-authorization-server"} <= others


async def test_an_old_token_is_refreshed_without_a_person(mcp, guarded):
    authority, server = guarded
    authority.lives_s = 1
    await consent(mcp, server)
    authority.access.clear()
    oauth = await records.oauth_of(mcp.view, "t", server.id)
    await records.keep_oauth(mcp.view, "t", server.id, {**oauth, "until_ms": 1})
    authority.lives_s = 3600
    _, tools = await mcp.sync(server)
    assert (await mcp.call(tools["secret"])).text == "cheese"
    assert (authority.refreshed, authority.given) == (1, 2)
    assert "refresh-2-secret" in str(await records.oauth_of(mcp.view, "t", server.id))


async def test_a_token_that_is_taken_back_needs_a_person_again(mcp, guarded):
    authority, server = guarded
    await consent(mcp, server)
    authority.access.clear()
    with pytest.raises(McpFault, match="consent"):
        await mcp.sync(server)
    assert authority.given == 1


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"code": None, "error": "access_denied"}, "consent is needed, or was refused"),
        ({"code": "made-up"}, "gave no consent"),
    ],
)
async def test_a_refusal_and_a_made_up_code_give_no_token(mcp, guarded, answer, says):
    authority, server = guarded
    with pytest.raises(McpFault, match=says):
        await consent(mcp, server, **answer)
    assert authority.given == 0
    assert "tokens" not in await records.oauth_of(mcp.view, "t", server.id)


async def test_who_comes_back_without_having_left_is_sent_away(mcp, guarded):
    with pytest.raises(InvalidInput, match="nobody waits for this consent"):
        mcp.tools.consented("made-up", "code", None, None)


async def test_nobody_waits_for_ever(mcp, guarded, monkeypatch):
    _, server = guarded
    monkeypatch.setattr("kelpie.tools.mcp.limits.MCP_OAUTH_WAIT_MS_MAX", 200)

    async def announce(url):
        assert url.startswith(server.settings.url.removesuffix("/mcp"))

    with pytest.raises(McpFault, match="consent is needed, or was refused"):
        await mcp.tools.consent(mcp.view, server, CALLBACK, announce)


async def test_an_authority_inside_our_network_is_not_asked(mcp):
    """The server names its authorization server: it may name any address."""
    async with serve(made_for=lambda url: build(Authority(), url, "https://10.0.0.1")) as url:
        mcp.made(private_hosts=[url.removeprefix("http://")])
        server = await mcp.server(transport="streamable_http", url=f"{url}/mcp")
        with pytest.raises(ToolUnavailable, match=r"10\.0\.0\.1 has an address that is not public"):
            await mcp.tools.consent(mcp.view, server, CALLBACK, print)


async def test_other_urls_lose_the_tokens(mcp, guarded):
    _, server = guarded
    await consent(mcp, server)
    moved = server.settings.__class__(name="one", transport="streamable_http", url="https://eve.example/mcp")
    _, changes = await records.plan_update(mcp.view, "t", server.id, 1, moved, server.shown)
    await mcp.database.commit(changes)
    assert await records.oauth_of(mcp.view, "t", server.id) == {}
