"""Configuration: read once at start, typed, frozen, passed down. Nobody else reads the environment."""

import os
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from kelpie.errors import InvalidInput

DEFAULT_TENANT = "default"
SECRET_PREFIX = "KELPIE_SECRET_"  # noqa: S105 - a name, no secret
LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")


# What a key may do: look; change things too; make keys, providers and the like for its tenant; the same for any tenant.
KeyScope = Literal["read", "write", "admin", "operator"]
SCOPE_RANK: dict[KeyScope, int] = {"read": 0, "write": 1, "admin": 2, "operator": 3}
EVERY_TENANT = "*"


class KeyOwner(msgspec.Struct, frozen=True):
    """Whose a key is: a tenant's, for everybody there, or for the people and teams alone that are named.

    people  handles and team names; empty for everybody
    """

    tenant: str
    people: tuple[str, ...] = ()
    scope: KeyScope = "admin"

    def may(self, scope: KeyScope) -> bool:
        return SCOPE_RANK[self.scope] >= SCOPE_RANK[scope]

    @staticmethod
    def of(text: str) -> "KeyOwner":
        """As it is written: "acme", or "acme:anna+finance"; without a tenant it is the default one's. "*" is the
        operator's own: it looks after every tenant, and what it asks for itself is the default tenant's.

        Raises InvalidInput for a list of people that names nobody: it must not mean everybody.
        """
        tenant, limited, names = text.partition(":")
        people = tuple(name.strip() for name in names.split("+")) if limited else ()
        if not all(people):
            raise InvalidInput(f"a key of '{text}' names nobody where it limits whom it speaks for")
        if tenant.strip() == EVERY_TENANT:
            if people:
                raise InvalidInput("the operator's key ('*') speaks for everybody; leave out the people")
            return KeyOwner(DEFAULT_TENANT, (), "operator")
        return KeyOwner(tenant.strip() or DEFAULT_TENANT, people, "write" if people else "admin")


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting of the server, each with its unit and default. docs/configuration.md lists them."""

    host: str = "127.0.0.1"
    port: int = 8283
    data_folder: str = "./kelpie-data"
    keys: dict[str, str] = {}  # bearer key -> its owner, see KeyOwner; empty: no key is asked for, on loopback only
    password: str | None = None  # one for everybody, as Letta's server has it: asked for where `secure` is on
    secure: bool = False
    encryption_key: str | None = None  # what keys and secrets are encrypted with in the store; None: the file's
    encryption_key_file: str | None = None  # None: "encryption.key" in the data folder, made where there is none
    log_level: str = "info"
    log_format: str = "text"  # "text" for people, "json" for machines
    otlp_endpoint: str | None = None
    idle_before_deactivation_ms: int = 300_000
    approval_ms: int = 86_400_000  # how long a tool call waits for an answer
    analyst_model: str | None = None
    strict_letta: bool = False
    model_fallback: str | None = None  # a handle: the model of agents that name one nobody serves
    openai_api_key: str | None = None
    openai_base_url: str | None = None
    anthropic_api_key: str | None = None
    anthropic_base_url: str | None = None
    ollama_base_url: str | None = None
    vllm_base_url: str | None = None
    vllm_handle_base: str | None = None
    sandbox_untrusted: str = "microvm"  # the level that code nobody reviewed needs at least
    firecracker: str | None = None  # path of the operator's binary; used only with its SHA-256 and a jailer
    firecracker_sha256: str | None = None
    jailer: str | None = None
    jailer_sha256: str | None = None
    packages: str | None = None  # where tools' packages come from: "public", an index's address, a folder of wheels
    web_hosts: tuple[str, ...] = ()  # what fetch_webpage may reach; "*" for every public host
    web_search_key: str | None = None
    web_search_url: str | None = None
    mcp_folders: tuple[str, ...] = ()  # what MCP servers in a jail may read
    mcp_private_hosts: tuple[str, ...] = ()  # MCP servers that may be reached though they are not on the internet
    provider_private_hosts: tuple[str, ...] = ()  # where tenants' own providers may be though it isn't the internet
    connection_secrets: dict[str, str] = {}  # KELPIE_SECRET_… -> a password that connections may name

    @property
    def is_loopback(self) -> bool:
        return self.host in LOOPBACK_HOSTS

    @property
    def secrets(self) -> list[str]:
        """Values that must never be printed."""
        of_index = urlsplit(self.packages or "").password
        kept = (
            self.openai_api_key,
            self.anthropic_api_key,
            self.web_search_key,
            of_index,
            self.password,
            self.encryption_key,
            *self.keys,
            *self.connection_secrets.values(),
        )
        return [value for value in kept if value]


# Environment variable -> field. The order is the order of docs/configuration.md.
VARIABLES = {
    "KELPIE_HOST": "host",
    "KELPIE_PORT": "port",
    "KELPIE_DATA": "data_folder",
    "KELPIE_KEYS": "keys",
    "LETTA_SERVER_PASSWORD": "password",
    "LETTA_SERVER_SECURE": "secure",
    "KELPIE_ENCRYPTION_KEY": "encryption_key",
    "KELPIE_ENCRYPTION_KEY_FILE": "encryption_key_file",
    "KELPIE_LOG_LEVEL": "log_level",
    "KELPIE_LOG_FORMAT": "log_format",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "otlp_endpoint",
    "KELPIE_IDLE_MS": "idle_before_deactivation_ms",
    "KELPIE_APPROVAL_MS": "approval_ms",
    "KELPIE_ANALYST_MODEL": "analyst_model",
    "KELPIE_STRICT_LETTA": "strict_letta",
    "KELPIE_MODEL_FALLBACK": "model_fallback",
    "OPENAI_API_KEY": "openai_api_key",
    "OPENAI_BASE_URL": "openai_base_url",
    "ANTHROPIC_API_KEY": "anthropic_api_key",
    "ANTHROPIC_BASE_URL": "anthropic_base_url",
    "OLLAMA_BASE_URL": "ollama_base_url",
    "VLLM_API_BASE": "vllm_base_url",
    "VLLM_HANDLE_BASE": "vllm_handle_base",
    "KELPIE_SANDBOX_UNTRUSTED": "sandbox_untrusted",
    "KELPIE_FIRECRACKER": "firecracker",
    "KELPIE_FIRECRACKER_SHA256": "firecracker_sha256",
    "KELPIE_JAILER": "jailer",
    "KELPIE_JAILER_SHA256": "jailer_sha256",
    "KELPIE_PACKAGES": "packages",
    "KELPIE_WEB_HOSTS": "web_hosts",
    "KELPIE_WEB_SEARCH_KEY": "web_search_key",
    "KELPIE_WEB_SEARCH_URL": "web_search_url",
    "KELPIE_MCP_FOLDERS": "mcp_folders",
    "KELPIE_MCP_PRIVATE_HOSTS": "mcp_private_hosts",
    "KELPIE_PROVIDER_PRIVATE_HOSTS": "provider_private_hosts",
}
_INTEGERS = {
    "port": (0, 65_535),
    "idle_before_deactivation_ms": (100, 86_400_000),
    "approval_ms": (1_000, 2_678_400_000),
}
_CHOICES = {
    "log_level": ("debug", "info", "warning", "error"),
    "log_format": ("text", "json"),
    "sandbox_untrusted": ("process", "microvm"),
}
_SWITCHES = {"strict_letta", "secure"}
_LISTS = {"web_hosts", "mcp_folders", "mcp_private_hosts", "provider_private_hosts"}
_SWITCH_WORDS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}
KEY_CHARS_MIN = 16
PASSWORD_CHARS_MIN = 8
ENCRYPTION_KEY_CHARS_MIN = 32


def load(**given: object) -> Config:
    """The settings of this process's environment, with `given` on top."""
    return from_environment(os.environ, **given)


def from_environment(environment: Mapping[str, str], **given: object) -> Config:
    """The settings of `environment`, with `given` (command line arguments, None = not given) on top.

    Raises InvalidInput, naming the variable and what it may be.
    """
    values: dict[str, object] = {}
    for variable, field in VARIABLES.items():
        text = environment.get(variable, "").strip()
        if text:
            values[field] = _parse(variable, field, text)
    values["connection_secrets"] = {
        name: text for name, text in environment.items() if name.startswith(SECRET_PREFIX) and text
    }
    values.update({field: value for field, value in given.items() if value is not None})
    config = Config(**values)  # type: ignore[arg-type]  # each value was parsed for its field
    if config.secure and len(config.password or "") < PASSWORD_CHARS_MIN:
        raise InvalidInput(
            f"LETTA_SERVER_SECURE asks for a password: set LETTA_SERVER_PASSWORD to {PASSWORD_CHARS_MIN} characters"
            " or more"
        )
    if not config.is_loopback and not config.keys and not config.secure:
        raise InvalidInput(
            f"binding to {config.host} lets others in: set KELPIE_KEYS to 'key' or 'tenant=key,…'"
            f" (keys of {KEY_CHARS_MIN} characters or more), or LETTA_SERVER_SECURE and LETTA_SERVER_PASSWORD, or bind"
            " to 127.0.0.1"
        )
    return config


def _parse(variable: str, field: str, text: str) -> object:
    if field == "keys":
        return _parse_keys(text)
    if field in _INTEGERS:
        low, high = _INTEGERS[field]
        if not text.isdigit() or not low <= int(text) <= high:
            raise InvalidInput(f"{variable} must be a whole number from {low} to {high}, not {text!r}")
        return int(text)
    if field in _SWITCHES:
        if text.lower() not in _SWITCH_WORDS:
            raise InvalidInput(f"{variable} must be one of {', '.join(_SWITCH_WORDS)}, not {text!r}")
        return _SWITCH_WORDS[text.lower()]
    if field in _LISTS:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if field == "encryption_key" and len(text) < ENCRYPTION_KEY_CHARS_MIN:
        raise InvalidInput(f"{variable} must have {ENCRYPTION_KEY_CHARS_MIN} characters or more")
    if field in _CHOICES and text not in _CHOICES[field]:
        raise InvalidInput(f"{variable} must be one of {', '.join(_CHOICES[field])}, not {text!r}")
    return text


def _parse_keys(text: str) -> dict[str, str]:
    """`owner=key` pairs, or a bare key for the default tenant, separated by commas."""
    keys: dict[str, str] = {}
    for number, part in enumerate(text.split(","), 1):
        owner, _, key = part.strip().rpartition("=")
        if len(key) < KEY_CHARS_MIN:
            raise InvalidInput(f"key {number} of KELPIE_KEYS is shorter than {KEY_CHARS_MIN} characters")
        try:
            KeyOwner.of(owner)
        except InvalidInput as error:
            raise InvalidInput(f"key {number} of KELPIE_KEYS: {error}") from None
        keys[key] = owner or DEFAULT_TENANT
    return keys
