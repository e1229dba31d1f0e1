"""What a person may give for a server, checked before it is stored.

A secret is given by name (`$KELPIE_SECRET_MCP_…`, a variable of the operator's) or as it is. Either way it is kept
apart from the rest of the row and never shown; a name may be.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from kelpie.config import SECRET_PREFIX
from kelpie.errors import InvalidInput
from kelpie.tools.mcp import limits

TransportName = Literal["stdio", "sse", "streamable_http"]

# No control characters: no system takes them, and a log could be forged with them.
Text = Annotated[str, Meta(max_length=limits.MCP_VALUE_CHARS_MAX, pattern=r"^[^\x00-\x1f\x7f]*$")]
Name = Annotated[str, Meta(max_length=limits.MCP_SERVER_NAME_CHARS_MAX, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
# Only variables of this name: a server's row must not be able to send any other secret of this process, a database's
# password say, to where it likes.
MCP_SECRET_PREFIX = f"{SECRET_PREFIX}MCP_"
_REFERENCE = re.compile(rf"\$\{{?({MCP_SECRET_PREFIX}[A-Z0-9_]+)\}}?")
_ANY_REFERENCE = re.compile(rf"\$\{{?{SECRET_PREFIX}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What the transport says itself, or what would make a request mean another one.
_OUR_HEADERS = frozenset(
    "accept accept-encoding connection content-length content-type expect host keep-alive last-event-id"
    " mcp-method mcp-name mcp-protocol-version mcp-session-id te trailer transfer-encoding upgrade".split()
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a server is reached; `command` and `args` for stdio, `url` for the others.

    token_header  the header the token goes into; "" for `Authorization: Bearer`
    """

    name: Name
    transport: TransportName
    command: Text = ""
    args: Annotated[list[Text], Meta(max_length=limits.MCP_ARGUMENTS_MAX)] = []
    url: Text = ""
    token_header: Text = ""
    call_ms_max: Annotated[int, Meta(ge=1, le=limits.MCP_CALL_MS_MAX)] = limits.MCP_CALL_MS_DEFAULT


class Secrets(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What goes to the server and is not shown: values, or references to the operator's variables."""

    token: Text = ""
    headers: Annotated[dict[str, Text], Meta(max_length=limits.MCP_HEADERS_MAX)] = {}
    environment: Annotated[dict[str, Text], Meta(max_length=limits.MCP_ENVIRONMENT_NAMES_MAX)] = {}

    def __repr__(self) -> str:
        return "Secrets(…)"


def checked(settings: Settings, secrets: Secrets) -> tuple[Settings, Secrets]:
    """Both, if they fit together. Raises InvalidInput naming the field, never repeating a secret."""
    try:
        settings = msgspec.convert(msgspec.structs.asdict(settings), Settings)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"this MCP server can't be: {error}") from None
    try:
        secrets = msgspec.convert(msgspec.structs.asdict(secrets), Secrets)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"this MCP server can't be: in what it is sent, {error}") from None
    if settings.transport == "stdio":
        _check_stdio(settings, secrets)
    else:
        _check_remote(settings, secrets)
    for value in (secrets.token, *secrets.headers.values(), *secrets.environment.values()):
        if _ANY_REFERENCE.match(value) and _REFERENCE.fullmatch(value) is None:
            raise InvalidInput(f"an MCP server may be sent secrets named ${MCP_SECRET_PREFIX}… alone")
    return settings, secrets


def _check_stdio(settings: Settings, secrets: Secrets) -> None:
    if not settings.command.strip():
        raise InvalidInput("a stdio server needs a command")
    if settings.url or settings.token_header or secrets.token or secrets.headers:
        raise InvalidInput("a stdio server has a command, arguments and variables; a URL, token or headers it has not")
    for name in secrets.environment:
        if _VARIABLE.fullmatch(name) is None:
            raise InvalidInput(f"'{name[:100]}' is no name of an environment variable")


def _check_remote(settings: Settings, secrets: Secrets) -> None:
    if settings.command or settings.args or secrets.environment:
        raise InvalidInput(
            f"a server over {settings.transport} has a URL; a command, arguments and variables it has not"
        )
    check_url(settings.url)
    for name in (*secrets.headers, *([settings.token_header] if settings.token_header else [])):
        if _HEADER.fullmatch(name) is None:
            raise InvalidInput(f"'{name[:100]}' is no name of a header")
        if name.lower() in _OUR_HEADERS:
            raise InvalidInput(f"the header '{name}' is the protocol's own: it can't be set")
    if settings.token_header and not secrets.token:
        raise InvalidInput("a header for the token needs a token (auth_token)")


def check_url(url: str) -> None:
    """Raises InvalidInput for what is no plain http or https URL of a host."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # a port that is no number raises here
    except ValueError as error:
        raise InvalidInput(f"the server's URL is not one: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidInput("the server's URL must be https://HOST/PATH, or http:// for a host the operator allows")
    if parts.username is not None or parts.password is not None:
        raise InvalidInput("the server's URL must not hold a password: give it as auth_token or as a header")
    if parts.fragment:
        raise InvalidInput("the server's URL must not have a fragment")


def is_reference(value: str) -> bool:
    return _REFERENCE.fullmatch(value) is not None


class Variables:
    """The operator's variables that servers may be sent.

    held  every secret of this process that has a name; those of other kinds are not looked at
    """

    def __init__(self, held: Mapping[str, str] | None = None) -> None:
        self._held = {name: text for name, text in (held or {}).items() if name.startswith(MCP_SECRET_PREFIX)}

    def __repr__(self) -> str:
        return f"Variables({', '.join(sorted(self._held))})"

    def value(self, given: str) -> str:
        """What stands for `given`: itself, or the variable it names. Raises InvalidInput if that isn't set."""
        found = _REFERENCE.fullmatch(given)
        if found is None:
            return given
        if found.group(1) not in self._held:
            raise InvalidInput(f"the environment variable {found.group(1)} is not set: set it and start again")
        return self._held[found.group(1)]

    def values(self, given: Mapping[str, str]) -> dict[str, str]:
        return {name: self.value(value) for name, value in given.items()}


def headers_of(settings: Settings, secrets: Secrets, variables: Variables) -> dict[str, str]:
    """The headers each request to the server has, token included. Raises InvalidInput for a variable that isn't set."""
    headers = variables.values(secrets.headers)
    if secrets.token:
        token = variables.value(secrets.token)
        # As Letta sends it: a header of its own gets the token as it stands.
        bearer = token if token.lower().startswith("bearer ") else f"Bearer {token}"
        headers[settings.token_header or "Authorization"] = bearer if _is_bearer(settings) else token
    for name, value in headers.items():
        if any(ord(letter) < 32 or ord(letter) > 255 or ord(letter) == 127 for letter in value):
            raise InvalidInput(f"the value for the header '{name}' holds characters that no header can")
    return headers


def _is_bearer(settings: Settings) -> bool:
    return settings.token_header.lower() in ("", "authorization")
