"""One connection to a MySQL or MariaDB server, for one query. Its methods block: they run on a worker thread.

`kill` and `cut` are for another thread: the first tells the server to end whatever this connection does and will do,
the second wakes the thread that waits for the server.
"""

import contextlib
import re
import socket
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kelpie.analyst import limits
from kelpie.analyst.sources.config import ServerConfig
from kelpie.analyst.sources.mysql_types import decoders
from kelpie.errors import InvalidInput

if TYPE_CHECKING:
    import pymysql
    from pymysql.cursors import SSCursor

_PORT = 3306
_VERSION = re.compile(r"(\d+)\.(\d+)")
_MYSQL_MIN = (8, 0)
_MARIADB_MIN = (10, 5)
# ONLY_FULL_GROUP_BY: a column that is neither grouped nor aggregated has the value of any row, and is an error here.
# Times with a zone are shown in UTC. GROUP_CONCAT would cut its result without a word.
_SETTINGS = (
    "SET SESSION sql_mode = 'ONLY_FULL_GROUP_BY,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',"
    " time_zone = '+00:00', group_concat_max_len = 1000000, "
)


class Session:
    """`connect` first. `answer_ms` bounds each answer of the server; None: whoever waits cuts the connection."""

    def __init__(self, config: ServerConfig, password: str, answer_ms: float | None = None) -> None:
        self._config = config
        self._password = password
        self._answer_s = None if answer_ms is None else answer_ms / 1000
        self._connection: pymysql.Connection[Any] | None = None
        self._socket: socket.socket | None = None
        self._killed = False
        self.thread_id: int | None = None  # the server's number of this connection
        self.is_mariadb = False
        self.version = ""

    def connect(self) -> None:
        """Raises pymysql.Error, OSError, or InvalidInput: a server that is too old."""
        import pymysql

        config = self._config
        ours = _connected(config, self._answer_s or limits.SOURCE_CONNECT_TIMEOUT_MS / 1000)
        # Two names of one socket: the driver may wrap and close its own, this one can always be shut down.
        self._socket = ours.dup()
        connection = pymysql.connect(
            host=config.host,
            port=config.port or _PORT,
            user=config.user,
            password=self._password.encode(),
            database=config.database,
            charset="utf8mb4",
            autocommit=True,  # transactions are begun by hand
            conv=decoders(),
            program_name="kelpie",
            read_timeout=self._answer_s,
            write_timeout=self._answer_s,
            ssl=_tls(config.tls),
            defer_connect=True,
        )
        try:
            connection.connect(ours)
        except BaseException:
            ours.close()
            raise
        self._connection = connection
        self.thread_id = connection.thread_id()  # type: ignore[no-untyped-call]
        self._look_at_version(str(connection.get_server_info()))  # type: ignore[no-untyped-call]

    def _look_at_version(self, words: str) -> None:
        # MariaDB puts a version that old clients like before its own: 5.5.5-10.11.19-MariaDB.
        self.is_mariadb = "mariadb" in words.lower()
        self.version = words.removeprefix("5.5.5-") if self.is_mariadb else words
        name, oldest = ("MariaDB", _MARIADB_MIN) if self.is_mariadb else ("MySQL", _MYSQL_MIN)
        found = _VERSION.match(self.version)
        if found is None or (int(found[1]), int(found[2])) < oldest:
            raise InvalidInput(
                f"{self._config.host} runs {name} {self.version}; {oldest[0]}.{oldest[1]} or newer is needed"
            )

    def begin(self, timeout_ms: float) -> None:
        """The session's settings, the server's own deadline for each statement among them."""
        if self.is_mariadb:
            limit = f"max_statement_time = {max(timeout_ms, 1) / 1000:.3f}"
        else:  # it would remember for a day when a table was last changed
            limit = f"max_execution_time = {max(timeout_ms, 1):.0f}, information_schema_stats_expiry = 0"
        self.rows("SET SESSION TRANSACTION READ ONLY")
        self.rows(_SETTINGS + limit)

    def start(self) -> None:
        self.rows("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """All rows of a statement of ours."""
        assert self._connection is not None, "connect first"
        with self._connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return list(cursor.fetchall())

    @contextlib.contextmanager
    def asking(self, sql: str) -> Iterator["SSCursor"]:
        """A statement of somebody's; its rows come as they are fetched, and those that are left are never read."""
        from pymysql.cursors import SSCursor

        assert self._connection is not None, "connect first"
        cursor = self._connection.cursor(SSCursor)
        try:
            cursor.execute(sql)
            yield cursor
        finally:
            # Left as they are, the cursor and its result would read to the end when they are collected.
            result: Any = vars(cursor).get("_result")
            if result is not None:
                result.unbuffered_active = False
            cursor.connection = None  # type: ignore[assignment]

    def kill(self) -> None:
        """End this connection on the server, by another one; then here. Only what was begun is ever killed."""
        if self.thread_id is not None and not self._killed:
            self._killed = True
            other = Session(self._config, self._password, limits.SOURCE_CANCEL_TIMEOUT_MS)
            with contextlib.suppress(Exception):  # a server that can't be told ends the query by its own deadline
                other.connect()
                other.rows(f"KILL {self.thread_id}")
            other.close()
        self.cut()

    def cut(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go at once: what the server still wants to send is not waited for."""
        self.cut()
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()
        if self._socket is not None:
            self._socket.close()


def _connected(config: ServerConfig, timeout_s: float) -> socket.socket:
    if config.host.startswith("/"):
        local = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        local.settimeout(timeout_s)
        try:
            local.connect(config.host)
        except BaseException:
            local.close()
            raise
        return local
    remote = socket.create_connection((config.host, config.port or _PORT), timeout_s)
    remote.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    remote.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return remote


def _tls(how: str) -> ssl.SSLContext | None:
    """None: the driver encrypts if the server can."""
    if how == "prefer":
        return None
    context = ssl.create_default_context()
    if how == "require":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
