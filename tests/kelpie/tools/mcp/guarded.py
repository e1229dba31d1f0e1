"""An MCP server that wants a person's consent, and its authorization server, made with the SDK."""

import time

from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    OAuthAuthorizationServerProvider,
    RefreshToken,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import OAuthToken


class Authority(OAuthAuthorizationServerProvider):
    """Consents to everybody at once, and remembers what it gave."""

    def __init__(self):
        self.clients, self.codes, self.access, self.refresh = {}, {}, {}, {}
        self.given = self.refreshed = 0
        self.lives_s = 3600
        self.asked = []  # (path, headers) of every request

    async def get_client(self, client_id):
        return self.clients.get(client_id)

    async def register_client(self, client_info):
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client, params):
        code = f"code-{len(self.codes)}-{'c' * 32}"
        self.codes[code] = AuthorizationCode(
            code=code,
            scopes=params.scopes or [],
            expires_at=time.time() + 60,
            client_id=client.client_id,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        return construct_redirect_uri(str(params.redirect_uri), code=code, state=params.state)

    async def load_authorization_code(self, client, authorization_code):
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(self, client, authorization_code):
        del self.codes[authorization_code.code]
        return self._tokens(client)

    def _tokens(self, client):
        self.given += 1
        access, refresh = f"access-{self.given}-secret", f"refresh-{self.given}-secret"
        expires = int(time.time()) + self.lives_s
        self.access[access] = AccessToken(token=access, client_id=client.client_id, scopes=[], expires_at=expires)
        self.refresh[refresh] = RefreshToken(token=refresh, client_id=client.client_id, scopes=[])
        return OAuthToken(access_token=access, refresh_token=refresh, expires_in=self.lives_s)

    async def load_refresh_token(self, client, refresh_token):
        return self.refresh.get(refresh_token)

    async def exchange_refresh_token(self, client, refresh_token, scopes):
        del self.refresh[refresh_token.token]
        self.refreshed += 1
        return self._tokens(client)

    async def load_access_token(self, token):
        return self.access.get(token)

    async def revoke_token(self, token):
        self.access.pop(token.token, None)


def build(authority, url, issuer=None):
    """Its ASGI application; `url` is where it is served, `issuer` the authorization server it names, if not itself."""
    settings = AuthSettings(
        issuer_url=issuer or url,
        resource_server_url=f"{url}/mcp",
        client_registration_options=ClientRegistrationOptions(enabled=True),
        validate_token_resource=False,
    )
    server = MCPServer("guarded", auth_server_provider=authority, auth=settings)

    @server.tool()
    def secret() -> str:
        """Tell the secret."""
        return "cheese"

    app = server.streamable_http_app()

    async def noting(scope, receive, send):
        if scope["type"] == "http":
            authority.asked.append((scope["path"], dict(scope["headers"])))
        await app(scope, receive, send)

    return noting
