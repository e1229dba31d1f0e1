"""MCP servers on the wire, in both of Letta's fashions: by id with a `config` in it, and by name, flat."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from kelpie.api.wire.times import iso
from kelpie.tools.mcp import limits
from kelpie.tools.mcp.offers import OfferedTool
from kelpie.tools.mcp.records import McpServer
from kelpie.tools.mcp.rows import Synced
from kelpie.tools.mcp.settings import Secrets, Settings

Values = dict[str, SecretStr]
TimeoutMs = Annotated[int | None, Field(ge=1, le=limits.MCP_CALL_MS_MAX)]


def _plain(values: Mapping[str, SecretStr] | None) -> dict[str, str]:
    return {name: value.get_secret_value() for name, value in (values or {}).items()}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StdioConfig(_Part):
    mcp_server_type: Literal["stdio"] = "stdio"
    command: str
    args: list[str]
    env: Values | None = None

    def read(self, name: str) -> tuple[Settings, Secrets]:
        settings = Settings(name=name, transport="stdio", command=self.command, args=self.args)
        return settings, Secrets(environment=_plain(self.env))


class _RemoteConfig(_Part):
    server_url: str
    auth_header: str | None = None
    auth_token: SecretStr | None = None
    custom_headers: Values | None = None

    def _read(self, name: str, transport: Literal["sse", "streamable_http"]) -> tuple[Settings, Secrets]:
        token = self.auth_token.get_secret_value() if self.auth_token is not None else ""
        header = (self.auth_header or "") if token else ""
        settings = Settings(name=name, transport=transport, url=self.server_url, token_header=header)
        return settings, Secrets(token=token, headers=_plain(self.custom_headers))


class SseConfig(_RemoteConfig):
    mcp_server_type: Literal["sse"] = "sse"

    def read(self, name: str) -> tuple[Settings, Secrets]:
        return self._read(name, "sse")


class StreamableHttpConfig(_RemoteConfig):
    mcp_server_type: Literal["streamable_http"] = "streamable_http"

    def read(self, name: str) -> tuple[Settings, Secrets]:
        return self._read(name, "streamable_http")


class CreateMcpServer(_Part):
    """`kelpie_timeout_ms` is ours: how long a call of the server may take. A token, a header or a variable may be
    `$KELPIE_SECRET_MCP_…`, the name of one of the operator's."""

    server_name: str
    config: StdioConfig | SseConfig | StreamableHttpConfig
    kelpie_timeout_ms: TimeoutMs = None

    def read(self) -> tuple[Settings, Secrets]:
        settings, secrets = self.config.read(self.server_name)
        return _timed(settings, self.kelpie_timeout_ms), secrets


class ModifyConfig(_Part):
    """What is null or left out stays as it is, and so does a value given back as it was shown."""

    mcp_server_type: Literal["stdio", "sse", "streamable_http"] | None = None
    command: str | None = None
    args: list[str] | None = None
    env: Values | None = None
    server_url: str | None = None
    auth_header: str | None = None
    auth_token: SecretStr | None = None
    custom_headers: Values | None = None


class ModifyMcpServer(_Part):
    server_name: str | None = None
    config: ModifyConfig
    kelpie_timeout_ms: TimeoutMs = None

    def read(self, old: McpServer) -> tuple[Settings, Secrets]:
        return _modified(old, self.server_name, self.config, self.kelpie_timeout_ms)


def _modified(
    old: McpServer, name: str | None, config: ModifyConfig, timeout_ms: int | None = None
) -> tuple[Settings, Secrets]:
    was, sent = old.settings, old.shown
    transport = config.mcp_server_type or was.transport
    token = sent.token if config.auth_token is None else config.auth_token.get_secret_value()
    header = was.token_header if config.auth_header is None else config.auth_header
    if transport == "stdio":
        settings = Settings(
            name=name or was.name,
            transport=transport,
            command=was.command if config.command is None else config.command,
            args=was.args if config.args is None else config.args,
            call_ms_max=timeout_ms or was.call_ms_max,
        )
        return settings, Secrets(environment=sent.environment if config.env is None else _plain(config.env))
    settings = Settings(
        name=name or was.name,
        transport=transport,
        url=was.url if config.server_url is None else config.server_url,
        token_header=header if token else "",
        call_ms_max=timeout_ms or was.call_ms_max,
    )
    headers = sent.headers if config.custom_headers is None else _plain(config.custom_headers)
    return settings, Secrets(token=token, headers=headers)


def _timed(settings: Settings, timeout_ms: int | None) -> Settings:
    given = {name: getattr(settings, name) for name in settings.__struct_fields__}
    return Settings(**{**given, "call_ms_max": timeout_ms or settings.call_ms_max})


class RunMcpTool(_Part):
    args: dict[str, Any] = {}


def server(record: McpServer, *, strict: bool) -> dict[str, Any]:
    """With what is sent to it hidden; unless strictly Letta's, with what it last did wrong."""
    shown: dict[str, Any] = {"id": record.id, "server_name": record.name, "mcp_server_type": record.settings.transport}
    shown |= _config(record)
    if not strict:
        report = record.report
        shown["kelpie_timeout_ms"] = record.settings.call_ms_max
        shown["kelpie_report"] = (
            None if report is None else {"date": iso(report.at_ms), "kind": report.kind, "text": report.text}
        )
    return shown


def _config(record: McpServer) -> dict[str, Any]:
    settings, sent = record.settings, record.shown
    if settings.transport == "stdio":
        return {"command": settings.command, "args": settings.args, "env": sent.environment or None}
    return {
        "server_url": settings.url,
        "auth_header": settings.token_header or None,
        "auth_token": sent.token or None,
        "custom_headers": sent.headers or None,
    }


def synced(done: Synced) -> dict[str, Any]:
    return {"added": done.added, "updated": done.updated, "deleted": done.deleted}


# ---- by name, flat: the older routes


class LegacyStdio(_Part):
    server_name: str
    type: Literal["stdio"] = "stdio"
    command: str
    args: list[str]
    env: Values | None = None

    def read(self) -> tuple[Settings, Secrets]:
        return StdioConfig(command=self.command, args=self.args, env=self.env).read(self.server_name)


class _LegacyRemote(_Part):
    server_name: str
    server_url: str
    auth_header: str | None = None
    auth_token: SecretStr | None = None
    custom_headers: Values | None = None

    def _given(self) -> dict[str, Any]:
        return self.model_dump(include={"server_url", "auth_header", "auth_token", "custom_headers"})


class LegacySse(_LegacyRemote):
    type: Literal["sse"] = "sse"

    def read(self) -> tuple[Settings, Secrets]:
        return SseConfig(**self._given()).read(self.server_name)


class LegacyStreamableHttp(_LegacyRemote):
    type: Literal["streamable_http"] = "streamable_http"

    def read(self) -> tuple[Settings, Secrets]:
        return StreamableHttpConfig(**self._given()).read(self.server_name)


LegacyServer = LegacyStdio | LegacySse | LegacyStreamableHttp


class LegacyModify(_Part):
    """`token` is what the SSE fashion calls auth_token."""

    server_name: str | None = None
    stdio_config: LegacyStdio | None = None
    server_url: str | None = None
    token: SecretStr | None = None
    auth_header: str | None = None
    auth_token: SecretStr | None = None
    custom_headers: Values | None = None

    def read(self, old: McpServer) -> tuple[Settings, Secrets]:
        stdio = self.stdio_config
        config = ModifyConfig(
            command=stdio.command if stdio is not None else None,
            args=stdio.args if stdio is not None else None,
            env=stdio.env if stdio is not None else None,
            server_url=self.server_url,
            auth_header=self.auth_header,
            auth_token=self.auth_token or self.token,
            custom_headers=self.custom_headers,
        )
        return _modified(old, self.server_name, config)


def legacy_server(record: McpServer) -> dict[str, Any]:
    return {"server_name": record.name, "type": record.settings.transport, **_config(record)}


def offered(tool: OfferedTool) -> dict[str, Any]:
    """Letta's MCPTool."""
    return {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "inputSchema": tool.parameters,
        "outputSchema": tool.output_schema,
        "annotations": tool.annotations,
        "_meta": None,
        "health": None,
    }
