"""The sandbox's settings on the wire: Letta's "local" alone. What it says of folders and virtual environments is kept
and changes nothing: tools run at the levels of this machine.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from kelpie.api import limits
from kelpie.api.bounds import check_json_bytes
from kelpie.api.wire.times import iso
from kelpie.api.wire.tools import Requirement
from kelpie.errors import NotServed
from kelpie.tools.surroundings import Config, Variable

_FOREIGN = ("template", "timeout", "sandbox_dir_remote", "npm_requirements", "language")
NOT_HERE = "tools run in this machine's own isolation and in nobody's cloud: 'e2b' and 'modal' sandboxes are not served"


class LocalConfig(BaseModel):
    model_config = ConfigDict(extra="allow")

    sandbox_dir: str | None = Field(default=None, max_length=limits.HANDLE_CHARS_MAX)
    use_venv: bool = False
    venv_name: str = Field(default="venv", max_length=limits.HANDLE_CHARS_MAX)
    pip_requirements: list[Requirement] = []

    def settings(self) -> dict[str, Any]:
        """Raises NotServed for what is another kind of sandbox's, or what nobody here would do."""
        if self.__pydantic_extra__ and any(name in self.__pydantic_extra__ for name in _FOREIGN):
            raise NotServed(NOT_HERE)
        if self.pip_requirements:
            raise NotServed("packages for all tools are not served: name each tool's own in its pip_requirements")
        settings = self.model_dump()
        check_json_bytes("the sandbox config", settings, limits.BLOCK_METADATA_BYTES_MAX)
        return settings


class GivenConfig(BaseModel):
    config: LocalConfig


class CreateVariable(BaseModel):
    key: str
    value: SecretStr
    description: str | None = Field(default=None, max_length=limits.DESCRIPTION_CHARS_MAX)


class ModifyVariable(BaseModel):
    key: str | None = None
    value: SecretStr | None = None
    description: str | None = Field(default=None, max_length=limits.DESCRIPTION_CHARS_MAX)


SandboxType = Literal["e2b", "modal", "local"]


def config(one: Config) -> dict[str, Any]:
    return {
        "id": one.id,
        "type": "local",
        "config": one.settings,
        "created_at": iso(one.created_at_ms),
        "updated_at": iso(one.updated_at_ms),
        "created_by_id": None,
        "last_updated_by_id": None,
    }


def variable(one: Variable) -> dict[str, Any]:
    """Without its value, which is handed to tools and shown to nobody."""
    return {
        "id": one.id,
        "key": one.name,
        "value": "",
        "value_enc": None,
        "description": one.description,
        "sandbox_config_id": one.config_id,
        "created_at": iso(one.created_at_ms),
        "updated_at": iso(one.updated_at_ms),
        "created_by_id": None,
        "last_updated_by_id": None,
    }
