"""A MariaDB server of our own for the tests: Debian's, on a socket in a folder, without the rest of its package."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

NOBODY = 65534  # the server refuses to run as root
SHARES = ("/usr/share/mysql", "/usr/share/mariadb")
OPTIONS = ["--no-defaults", "--skip-networking", "--skip-name-resolve", "--innodb-buffer-pool-size=32M"]


def program():
    """(the server's program, "") or (None, why there is none)."""
    found = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/libexec")
    if found is None:
        return None, "mariadbd is not installed"
    if not any(Path(share, "mysql_system_tables.sql").exists() for share in SHARES):
        return None, "mariadbd has no mysql_system_tables.sql beside it"
    return found, ""


def _user():
    if os.geteuid() != 0:
        return {"cwd": "/"}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": [], "cwd": "/"}


class MariaDbServer:
    """Started from nothing in a second or two. `root` may do everything, without a password."""

    def __init__(self, program):
        self._program = program
        self.folder = tempfile.mkdtemp(prefix="kelpie-my-")  # short: a socket's path has at most 107 bytes
        self.socket = f"{self.folder}/socket"
        self._data = f"{self.folder}/data"
        os.mkdir(self._data)
        if os.geteuid() == 0:
            for folder in (self.folder, self._data):
                os.chown(folder, NOBODY, NOBODY)
        share = next(Path(share) for share in SHARES if Path(share, "mysql_system_tables.sql").exists())
        tables = "".join((share / f"mysql_system_{name}.sql").read_text() for name in ("tables", "tables_data"))
        made = subprocess.run(
            [program, *OPTIONS, "--bootstrap", f"--datadir={self._data}"],
            input=f"CREATE DATABASE mysql;\nUSE mysql;\n{tables}",
            capture_output=True,
            text=True,
            check=False,
            **_user(),
        )
        assert made.returncode == 0, made.stderr
        self._process = None
        self.start()

    def start(self):
        log = Path(self.folder) / "log"
        files = (f"--datadir={self._data}", f"--socket={self.socket}", f"--pid-file={self.folder}/pid")
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [self._program, *OPTIONS, *files, "--innodb-flush-log-at-trx-commit=0"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                **_user(),
            )
        while not self._answers():
            assert self._process.poll() is None, log.read_text()
            time.sleep(0.02)

    def _answers(self):
        with socket.socket(socket.AF_UNIX) as trying:  # the driver leaves its own open when this fails
            return trying.connect_ex(self.socket) == 0

    def connect(self, database=None):
        import pymysql

        return pymysql.connect(unix_socket=self.socket, user="root", database=database, autocommit=True)

    def execute(self, *statements, database=None):
        """The rows of the last one."""
        with self.connect(database) as connection, connection.cursor() as cursor:
            for sql in statements:
                cursor.execute(sql)
            return cursor.fetchall()

    def stop(self, how=signal.SIGTERM):
        """SIGKILL: as a crash would."""
        self._process.send_signal(how)
        self._process.wait()

    def remove(self):
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder)
