"""The shapes of a connection's `config`, which folders may be read, and where passwords come from."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from kelpie.analyst import limits
from kelpie.analyst.workers import Workers
from kelpie.config import SECRET_PREFIX
from kelpie.errors import InvalidInput
from umi.dst import Host

# A name, a host, a path: no control characters, which no system takes and a log could be forged with.
Text = Annotated[str, Meta(min_length=1, max_length=limits.CONNECTION_VALUE_CHARS_MAX, pattern=r"^[^\x00-\x1f\x7f]*$")]
Port = Annotated[int, Meta(ge=1, le=65_535)]
# Only variables of this name may hold a password: a connection must not be able to send any other secret of this
# process to a server of its own choice.
_SECRET_NAME = re.compile(rf"{SECRET_PREFIX}[A-Z0-9_]+")
_INLINE_SECRETS = ("password", "passwd", "pwd", "secret", "token", "url", "uri", "dsn")

Shape = TypeVar("Shape", bound=msgspec.Struct)


class FileConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`path`: one database file, absolute or under the data folder."""

    path: Text


class FilesConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`path`: a folder, of which every CSV, TSV, Parquet and XLSX file is read; or `paths`: the files themselves."""

    path: Text | None = None
    paths: Annotated[list[Text], Meta(max_length=limits.SOURCE_FILES_MAX)] = []

    def __post_init__(self) -> None:
        if (self.path is None) == (not self.paths):
            raise ValueError("give either 'path', a folder, or 'paths', a list of files")


class ServerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A server and one database on it.

    host          a name or address; one that begins with "/" is a Unix socket (PostgreSQL: the folder it is in)
    password_env  the environment variable that holds the password; without one, none is sent
    tls           "prefer" encrypts if the server can, "require" or not at all, "verify" checks its certificate too
    """

    host: Text
    port: Port | None = None
    database: Text
    user: Text
    password_env: Text | None = None
    tls: Literal["prefer", "require", "verify"] = "prefer"

    def __post_init__(self) -> None:
        if self.password_env is not None and not _SECRET_NAME.fullmatch(self.password_env):
            # Not repeated: somebody may have put the password itself there.
            raise ValueError(f"'password_env' names a variable like {SECRET_PREFIX}SALES")


class PostgresConfig(ServerConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`schema`: the one whose tables are asked."""

    schema: Text = "public"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What opening a source takes.

    folders  where files may lie, links resolved; a relative path begins at the first
    secrets  environment variable -> password
    """

    host: Host
    workers: Workers
    folders: Sequence[str] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)

    def resolve(self, path: str) -> str:
        """The real path. Raises InvalidInput if it lies outside the folders, also by a link."""
        base = self.folders[0] if self.folders else ""
        real = os.path.realpath(os.path.join(base, path))
        if not any(os.path.commonpath([real, folder]) == folder for folder in self.folders):
            where = ", ".join(self.folders) or "there are none"
            raise InvalidInput(f"{real} lies outside the folders data may be read from ({where}); move it there")
        return real

    def password(self, config: ServerConfig) -> str:
        """Empty if the connection names none. Raises InvalidInput if what it names isn't set."""
        if config.password_env is None:
            return ""
        if config.password_env not in self.secrets:
            raise InvalidInput(
                f"the environment variable {config.password_env} is not set: set it to the password of"
                f" {config.user} and start the server again"
            )
        return self.secrets[config.password_env]


def read_config(shape: type[Shape], config: Mapping[str, Any], refuse: Callable[[str], InvalidInput]) -> Shape:
    """`config` in its engine's shape. Raises what `refuse` makes of the reason."""
    inline = next((key for key in config if key.lower() in _INLINE_SECRETS), None)
    if inline is not None:
        raise refuse(
            f"'{inline}' must not stand in a connection: put the password into an environment variable"
            f" {SECRET_PREFIX}… and give its name as 'password_env'"
        )
    try:
        return msgspec.convert(config, shape)
    except msgspec.ValidationError as error:
        raise refuse(str(error)) from error
