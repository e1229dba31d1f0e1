"""A person's consent to an MCP server: the SDK's OAuth flow, who waits for it, and where its tokens are kept.

Tokens lie in the server's row, in a column that nothing shows. Only a flow that a person started asks for consent; a
connection without one refreshes its token, or fails and says that consent is missing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider, OAuthFlowError
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from kelpie.errors import InvalidInput, LimitExceeded
from kelpie.sealing import Seal
from kelpie.tools.mcp import limits, records
from kelpie.tools.mcp.records import McpServer
from umi.dst import Host
from umi.storage import View

CLIENT_NAME = "kelpie"
# Where a flow without a person would send one: it never does, as it has nobody to ask.
_NOWHERE = "http://127.0.0.1/"
Announce = Callable[[str], Awaitable[None]]


class TokenStore:
    """Implements the SDK's TokenStorage on the server's row."""

    def __init__(self, view: View, host: Host, server: McpServer, seal: Seal) -> None:
        self._view, self._host, self._server, self._seal = view, host, server, seal

    async def _kept(self) -> dict[str, Any]:
        return await records.oauth_of(self._view, self._server.tenant, self._server.id, self._seal)

    async def _keep(self, **given: Any) -> None:
        kept = await self._kept()
        await records.keep_oauth(self._view, self._server.tenant, self._server.id, {**kept, **given}, self._seal)

    async def get_tokens(self) -> OAuthToken | None:
        kept = await self._kept()
        if "tokens" not in kept:
            return None
        tokens = OAuthToken.model_validate(kept["tokens"])
        until_ms = kept.get("until_ms")
        if until_ms is not None and until_ms <= self._host.clock.now_ms() and tokens.refresh_token:
            # The SDK doesn't ask how old a kept token is: without one it refreshes before it asks a person.
            return tokens.model_copy(update={"access_token": ""})
        return tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        until_ms = None
        if tokens.expires_in is not None:
            until_ms = self._host.clock.now_ms() + tokens.expires_in * 1000
        await self._keep(tokens=tokens.model_dump(mode="json", exclude_none=True), until_ms=until_ms)

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        kept = await self._kept()
        return OAuthClientInformationFull.model_validate(kept["client"]) if "client" in kept else None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        await self._keep(client=client_info.model_dump(mode="json", exclude_none=True))


class Consents:
    """Flows that wait for a person to come back from the authorization server, by the state they left with."""

    def __init__(self, host: Host, seal: Seal) -> None:
        self._host, self._seal = host, seal
        self._waiting: dict[str, asyncio.Future[AuthorizationCodeResult]] = {}

    def silent(self, view: View, server: McpServer) -> OAuthClientProvider:
        """For a connection: uses and refreshes the tokens that are there, and asks nobody."""
        return self._provider(view, server, _NOWHERE, None)

    def asking(self, view: View, server: McpServer, callback_url: str, announce: Announce) -> OAuthClientProvider:
        """For a flow that a person started: `announce` is told where to send them; they come back to `callback_url`."""
        return self._provider(view, server, callback_url, announce)

    def _provider(
        self, view: View, server: McpServer, callback_url: str, announce: Announce | None
    ) -> OAuthClientProvider:
        states: list[str] = []

        async def redirect(url: str) -> None:
            assert announce is not None
            if urlsplit(url).scheme not in ("http", "https"):
                raise OAuthFlowError("the authorization server's page is no web page")
            states[:] = parse_qs(urlsplit(url).query).get("state", [""])[:1]
            self._expect(states[0])
            await announce(url)

        async def callback() -> AuthorizationCodeResult:
            return await self._answer(states[0])

        metadata = OAuthClientMetadata(
            client_name=CLIENT_NAME,
            redirect_uris=[AnyUrl(callback_url)],
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
            token_endpoint_auth_method="none",  # noqa: S106 - the name of a method: PKCE stands in for a secret
        )
        asks = announce is not None
        return OAuthClientProvider(
            server.settings.url,
            metadata,
            TokenStore(view, self._host, server, self._seal),
            redirect if asks else None,
            callback if asks else None,
        )

    def _expect(self, state: str) -> None:
        if len(self._waiting) >= limits.MCP_OAUTH_PENDING_MAX:
            most = limits.MCP_OAUTH_PENDING_MAX
            raise LimitExceeded("the list of people who are asked for consent", most + 1, most, "people")
        self._waiting[state] = asyncio.get_running_loop().create_future()

    async def _answer(self, state: str) -> AuthorizationCodeResult:
        try:
            async with self._host.clock.timeout(limits.MCP_OAUTH_WAIT_MS_MAX):
                return await self._waiting[state]
        except TimeoutError:
            raise OAuthFlowError("nobody consented in time") from None
        finally:
            self._waiting.pop(state, None)

    def arrived(self, state: str, code: str | None, iss: str | None, error: str | None) -> None:
        """A person came back, with a code or with a refusal. Raises InvalidInput if nobody waits for that state."""
        waiting = self._waiting.get(state)
        if waiting is None or waiting.done():
            raise InvalidInput("nobody waits for this consent: it took too long, or it came before; start again")
        if code:
            waiting.set_result(AuthorizationCodeResult(code=code, state=state, iss=iss))
        else:
            waiting.set_exception(OAuthFlowError(f"consent was refused: {(error or 'no reason given')[:200]}"))
