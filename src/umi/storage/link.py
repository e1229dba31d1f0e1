"""Connections to a PostgreSQL server: how they are set, and its errors in our words."""

import contextlib
from typing import TYPE_CHECKING, Any

from umi import limits
from umi.errors import (
    Conflict,
    InvalidInput,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreInUse,
    StoreReadOnly,
)

if TYPE_CHECKING:  # the driver is imported when a server is first used
    from psycopg import AsyncConnection, Error
    from psycopg.adapt import AdaptersMap

# Unless the URL says otherwise. Without the last two a link that was cut is waited on for a quarter of an hour.
_DEFAULTS = {
    "application_name": "umi",
    "connect_timeout": limits.POSTGRES_CONNECT_TIMEOUT_MS // 1000,
    "keepalives_idle": limits.POSTGRES_LINK_TIMEOUT_MS // 1000,
    "tcp_user_timeout": limits.POSTGRES_LINK_TIMEOUT_MS,
}
_VERSION_MIN = 130_000


class Link:
    """Where a server is and how to reach it. Raises InvalidInput for a URL that is none."""

    def __init__(self, url: str) -> None:
        try:
            import psycopg
            from psycopg import conninfo
        except ImportError as error:
            raise StoreError(f"PostgreSQL needs the driver: pip install 'kelpie[postgres]' ({error})") from error
        try:
            given = conninfo.conninfo_to_dict(url)
        except psycopg.ProgrammingError as error:  # its text would show the password
            raise InvalidInput("the store's URL is none: postgresql://user@host:5432/database") from error
        self._settings: dict[str, Any] = {**_DEFAULTS, **given}
        # As people may see it: without user and password.
        where = given.get("host") or given.get("hostaddr") or "localhost"
        self.name = f"postgresql://{where}:{given.get('port', 5432)}/{given.get('dbname', '')}"
        self._adapters = _adapters()

    async def connect(self) -> "AsyncConnection[Any]":
        """A connection that says what SQLite would say. Raises StoreError."""
        import psycopg

        try:
            connection = await psycopg.AsyncConnection.connect(
                autocommit=True,
                context=self._adapters,
                cursor_factory=psycopg.AsyncRawCursor,
                # A PREPARE that an earlier error in the pipeline skipped counts as done for the client.
                prepare_threshold=None,
                **self._settings,
            )
        except psycopg.Error as error:
            # Before there is a connection libpq gives no code of what the server said.
            raise StoreError(f"{self.name} can't be reached ({_first_line(error)}); is it running?") from error
        try:
            await connection.execute(_settings())
            self._refuse_unsuitable(connection)
        except BaseException as error:
            await connection.close()
            raise self.translate(error) if isinstance(error, psycopg.Error) else error from error
        return connection

    def _refuse_unsuitable(self, connection: "AsyncConnection[Any]") -> None:
        info = connection.info
        if info.server_version < _VERSION_MIN:
            raise StoreError(f"{self.name} runs PostgreSQL {info.server_version // 10_000}; umi needs 13 or newer")
        if info.parameter_status("server_encoding") != "UTF8":
            raise StoreError(f"{self.name} keeps text as {info.parameter_status('server_encoding')}; umi needs UTF8")

    def translate(self, error: Exception) -> Exception:
        """The error in our words, with what to do about it; one that is our own bug as it is."""
        import psycopg

        if not isinstance(error, psycopg.Error):
            return error
        translated = self._of_code(error.sqlstate or "", error)
        if translated is not error:
            translated.__cause__ = error
        return translated

    def _of_code(self, code: str, error: "Error") -> Exception:
        said = _first_line(error)
        match code[:2], code:
            case _, "23505" | "23503" | "23P01":
                return Conflict(said)
            case "40", _:
                return StoreError(f"other writers of {self.name} kept getting in the way ({said}); try again")
            case _, "53100":
                return StoreFull(f"the disk of {self.name} is full; nothing was written, free some space")
            case _, "55P03":
                return StoreInUse(self.name, None)
            case _, "42501" | "25006":
                return StoreReadOnly(f"{self.name} may not be written ({said}); check the user's rights")
            case _, "42P07" | "42P06":
                return StoreCorrupt(
                    f"{self.name} holds tables of another program ({said}); give umi a schema of its own"
                )
            case "XX", _:
                return StoreCorrupt(f"{self.name} is damaged ({said}); restore it from a backup")
            case "" | "08" | "53" | "57" | "58" | "25", _:
                return StoreError(f"{self.name} failed: {said}")
            case _:
                return error  # SQL of ours that is wrong: our bug, shown as it is


def is_worth_repeating(error: Exception) -> bool:
    """Whether other writers got in the way (a deadlock, a serialization failure), so that it may go well next time."""
    code = getattr(error, "sqlstate", None) or ""
    return code.startswith("40")


async def give_up(connection: "AsyncConnection[Any] | None") -> None:
    if connection is not None:
        with contextlib.suppress(Exception):
            await connection.close()


def _settings() -> str:
    return f"""
    SET standard_conforming_strings = on;
    SET client_min_messages = warning;
    SET lock_timeout = {limits.POSTGRES_LOCK_WAIT_MS_MAX};
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
    """


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _adapters() -> "AdaptersMap":
    """Values as SQLite has them: whole numbers of 64 bits, texts that are texts, 0 and 1 for truth."""
    import psycopg
    from psycopg.adapt import AdaptersMap, Loader
    from psycopg.pq import Format
    from psycopg.types.numeric import Int8BinaryDumper, NumericBinaryLoader
    from psycopg.types.string import StrBinaryDumper

    class Number(NumericBinaryLoader):
        """What sum() and avg() make of whole numbers."""

        def load(self, data: Any) -> Any:
            number = super().load(data)
            return int(number) if number.is_finite() and number == number.to_integral_value() else float(number)

    class Truth(Loader):
        format = Format.BINARY

        def load(self, data: Any) -> int:
            return int(bytes(data) != b"\0")

    adapters = AdaptersMap(psycopg.adapters)
    adapters.register_dumper(int, Int8BinaryDumper)
    adapters.register_dumper(str, StrBinaryDumper)
    adapters.register_loader("numeric", Number)
    adapters.register_loader("bool", Truth)
    return adapters
