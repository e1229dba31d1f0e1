"""An agent's secrets: variables that its custom tools are handed by name. They go in, and come out inside a sandbox.

No read of the API, no log and no trajectory shows a value, and the store holds them sealed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from kelpie.errors import InvalidInput, LimitExceeded
from kelpie.sealing import PREFIX, UNSEALED, Seal
from kelpie.tools import limits
from umi.dst import Host
from umi.storage import Changes, View

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What the sandbox sets, or what would change how the tool's own interpreter starts.
_RESERVED = re.compile(
    r"PATH|HOME|LANG|PWD|TMPDIR|(LC|LD)_.*|PYTHON.*|NODE_(OPTIONS|PATH)|(http|https|all|no)_proxy", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Secrets:
    """Values by name. A dataclass whose repr is silent: they travel through drafts and contexts that may be printed."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __bool__(self) -> bool:
        return bool(self.values)


NO_SECRETS = Secrets()
_PLAIN = "SELECT tenant, agent_id, name, value FROM agent_secret WHERE value != '' AND NOT value GLOB ?"
# Rows of SecretName, of agents whose ids are a JSON list.
NAMES = (
    "SELECT id, agent_id, name, updated_at_ms FROM agent_secret WHERE tenant = ? AND agent_id IN"
    " (SELECT value FROM json_each(?)) ORDER BY agent_id, name"
)


class SecretName(msgspec.Struct, frozen=True):
    """That there is a secret, and nothing of it."""

    id: str
    agent_id: str
    name: str
    updated_at_ms: int


def check(values: Mapping[str, str]) -> Secrets:
    """Raises InvalidInput, LimitExceeded; no text repeats a value."""
    if len(values) > limits.SECRETS_PER_AGENT_MAX:
        raise LimitExceeded("the agent's list of secrets", len(values), limits.SECRETS_PER_AGENT_MAX, "secrets")
    for name, value in values.items():
        if not _NAME.fullmatch(name) or len(name) > limits.SECRET_NAME_CHARS_MAX:
            raise InvalidInput(f"a secret is named like a variable (letters, digits, _), not {name[:64]!r}")
        if _RESERVED.fullmatch(name):
            raise InvalidInput(f"the variable {name} is set by the sandbox; give the secret another name")
        if "\0" in value:
            raise InvalidInput(f"the secret {name} holds the character NUL, which no variable can hold")
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            raise InvalidInput(f"the secret {name} holds half of a surrogate pair") from None
        if size > limits.SECRET_VALUE_BYTES_MAX:
            raise LimitExceeded(f"the secret {name}", size, limits.SECRET_VALUE_BYTES_MAX, "bytes")
    return Secrets(dict(values))


def plan_replace(host: Host, tenant: str, agent_id: str, secrets: Secrets, seal: Seal = UNSEALED) -> Changes:
    """Make these all of the agent's secrets. They went through `check`."""
    now_ms = host.clock.now_ms()
    changes = plan_forget_agent(tenant, agent_id)
    for name, value in secrets.values.items():
        changes.write(
            "INSERT INTO agent_secret VALUES (?, ?, ?, ?, ?, ?)",
            tenant,
            agent_id,
            name,
            host.ids.new("agent-env"),
            seal.sealed(value, *_about(tenant, agent_id, name)),
            now_ms,
        )
    return changes


def plan_forget_agent(tenant: str, agent_id: str) -> Changes:
    return Changes().write("DELETE FROM agent_secret WHERE tenant = ? AND agent_id = ?", tenant, agent_id)


async def of_agent(view: View, tenant: str, agent_id: str, seal: Seal = UNSEALED) -> Secrets:
    """All of an agent's secrets, for a sandbox alone. Raises CannotUnseal."""
    rows = await view.fetch("SELECT name, value FROM agent_secret WHERE tenant = ? AND agent_id = ?", tenant, agent_id)
    return Secrets({name: seal.opened(value, *_about(tenant, agent_id, name)) for name, value in rows})


async def plan_seal(view: View, seal: Seal) -> Changes:
    """Seal what older versions, and an import, left as it was: no byte of it stays. Nothing to do is no change."""
    rows = await view.fetch(_PLAIN, f"{PREFIX}*")
    changes = Changes(scrub=bool(rows))
    for tenant, agent_id, name, value in rows:
        kept = seal.sealed(value, *_about(tenant, agent_id, name))
        sql = "UPDATE agent_secret SET value = ? WHERE tenant = ? AND agent_id = ? AND name = ? AND value = ?"
        changes.write(sql, kept, tenant, agent_id, name, value)
    return changes


def _about(tenant: str, agent_id: str, name: str) -> tuple[str, ...]:
    return tenant, "agent_secret", agent_id, name


def hidden(text: str, secrets: Secrets) -> str:
    """A text a tool said, without the values it was handed. It does not hold against a tool that means to tell them."""
    for name, value in sorted(secrets.values.items(), key=lambda one: -len(one[1])):
        if len(value) >= limits.SECRET_HIDDEN_CHARS_MIN:
            shown = f"[secret {name}]"
            text = text.replace(value, shown).replace(msgspec.json.encode(value).decode()[1:-1], shown)
    return text
