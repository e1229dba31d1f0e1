"""What a server's store holds of secrets: nothing that can be read in it, also of what older versions left there."""

import pytest
from tests.kelpie.api.conftest import MODEL

from kelpie.config import Config
from kelpie.errors import StoreError
from kelpie.server import build
from kelpie.tools import secrets
from kelpie.tools.mcp import records
from kelpie.tools.mcp.settings import Secrets
from umi.dst import Host
from umi.storage import Changes, View

VALUE, TOKEN, CONSENTED = "agent-secret-value-1", "mcp-token-value-2", "oauth-token-value-3"


class Started:
    """A server in this test's own loop, and its file."""

    def __init__(self, folder, **settings):
        self.folder, self.settings = folder, settings

    async def __aenter__(self):
        config = Config(data_folder=str(self.folder), openai_base_url="http://127.0.0.1:9/v1", **self.settings)
        self.server = build(config, Host())
        await self.server.start()
        house = self.server.app.state.house
        self.database, self.seal = house.workshop.database, house.workshop.seal
        self.view = View(self.database)
        return self

    async def __aexit__(self, *_):
        await self.server.stop()

    async def request(self, method, path, body):
        import httpx2

        transport = httpx2.ASGITransport(app=self.server.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
            answer = await http.request(method, path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def held(self, agent_id):
        """(the agent's secret, what its MCP server is sent, its OAuth tokens), as the server reads them."""
        server = (await records.list_all(self.view, "default"))[0]
        kept = await secrets.of_agent(self.view, "default", agent_id, self.seal)
        sent = await records.secrets_of(self.view, server, self.seal)
        return kept.values, sent, await records.oauth_of(self.view, "default", server.id, self.seal)


async def fill(started):
    agent = await started.request("POST", "/v1/agents/", {"model": MODEL, "secrets": {"TOKEN": VALUE}})
    config = {"mcp_server_type": "streamable_http", "server_url": "https://127.0.0.1:9/mcp", "auth_token": TOKEN}
    config["auth_header"] = "authorization"
    server = await started.request("POST", "/v1/mcp-servers/", {"server_name": "one", "config": config})
    await records.keep_oauth(started.view, "default", server["id"], {"tokens": {"a": CONSENTED}}, started.seal)
    return agent["id"]


def on_disk(folder):
    return b"".join(path.read_bytes() for path in folder.glob("kelpie.db*"))


def shown(raw):
    return [text for text in (VALUE, TOKEN, CONSENTED) if text.encode() in raw]


async def test_secrets_of_agents_and_mcp_servers_lie_sealed(tmp_path):
    async with Started(tmp_path) as started:
        agent_id = await fill(started)
        held = await started.held(agent_id)
        assert shown(on_disk(tmp_path)) == []
    assert shown(on_disk(tmp_path)) == []
    assert (held[0]["TOKEN"], held[2]["tokens"]["a"]) == (VALUE, CONSENTED)
    assert TOKEN in (held[1].token, *held[1].headers.values())
    assert (tmp_path / "encryption.key").stat().st_mode & 0o077 == 0
    async with Started(tmp_path) as again:
        assert await again.held(agent_id) == held


async def test_what_an_older_version_left_open_is_sealed_at_the_next_start_and_leaves_no_trace(tmp_path):
    async with Started(tmp_path) as started:
        agent_id = await fill(started)
        held = await started.held(agent_id)
        plain = Changes()
        for sql, value in (
            ("UPDATE agent_secret SET value = ?", VALUE),
            ("UPDATE mcp_server SET secrets = ?", f'{{"token": "{TOKEN}"}}'),
            ("UPDATE mcp_server SET oauth = ?", f'{{"tokens": {{"a": "{CONSENTED}"}}}}'),
        ):
            plain.write(sql, value)
        await started.database.commit(plain)
        assert (await started.held(agent_id))[0] == held[0]  # until then it is read as it is
    assert shown(on_disk(tmp_path)) == [VALUE, TOKEN, CONSENTED]
    async with Started(tmp_path) as again:
        values, sent, oauth = await again.held(agent_id)
        assert shown(on_disk(tmp_path)) == []
    assert (values, sent, oauth) == (held[0], Secrets(token=TOKEN), held[2])


async def test_a_setting_may_hold_the_key_and_another_one_opens_nothing(tmp_path):
    async with Started(tmp_path, encryption_key="k" * 40) as started:
        agent_id = await fill(started)
    assert not (tmp_path / "encryption.key").exists()
    async with Started(tmp_path, encryption_key="l" * 40) as other:
        with pytest.raises(StoreError, match="does not open"):
            await other.held(agent_id)
    async with Started(tmp_path, encryption_key="k" * 40) as again:
        assert (await again.held(agent_id))[0] == {"TOKEN": VALUE}


async def test_a_key_file_may_lie_elsewhere_and_one_that_is_none_stops_the_start(tmp_path):
    elsewhere = tmp_path / "keys" / "kelpie.key"
    async with Started(tmp_path / "data", encryption_key_file=str(elsewhere)) as started:
        agent_id = await fill(started)
    assert elsewhere.exists()
    elsewhere.write_bytes(b"short")
    with pytest.raises(StoreError, match="fewer than 32 bytes"):
        await Started(tmp_path / "data", encryption_key_file=str(elsewhere)).__aenter__()
    assert agent_id
