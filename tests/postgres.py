"""Starts a real PostgreSQL for the tests, in a folder of its own, reached only through a Unix socket there.

It does not know our tables. The server ends with the test process, even after kill -9.
"""

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

_PR_SET_PDEATHSIG = 1
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_wal_senders=0", "wal_level=minimal")


@dataclass(frozen=True)
class PostgresServer:
    """A running server, and where its socket lies."""

    folder: Path

    def create_database(self, *, template: str = "template1") -> str:
        """Make a database that is a copy of `template` and return its SQLAlchemy URL."""
        name = f"t{uuid.uuid4().hex}"
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def answers(self) -> bool:
        """Whether the server takes connections yet."""
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self._conninfo("postgres")):
            return True
        return False

    def _conninfo(self, database: str) -> str:
        return f"host={self.folder} user=postgres dbname={database}"


def find_server_program(name: str) -> str:
    """The path of a program of PostgreSQL's server, the newest version first."""
    usr = Path("/usr")
    folders = sorted(map(str, [*usr.glob("lib/postgresql/*/bin"), *usr.glob("pgsql-*/bin")]), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)]))
    assert found, f"{name} is not installed; run `make test`, which installs PostgreSQL's server or says how"
    return found


@contextlib.contextmanager
def start_postgres(*, timeout_s: float = 60.0) -> Iterator[PostgresServer]:
    """Run a server for the length of the block; as an unprivileged user where we are root, since it refuses root."""
    with tempfile.TemporaryDirectory(prefix="tt-pg-", dir="/tmp") as name:  # short: a socket's path has 107 bytes
        folder = Path(name)
        account = _find_account()
        if account:
            os.chown(folder, account.pw_uid, account.pw_gid)
        user, group, others = (account.pw_uid, account.pw_gid, ()) if account else (None, None, None)
        data = folder / "data"
        init = [find_server_program("initdb"), "--pgdata", str(data), "--username", "postgres", "--auth", "trust"]
        made = subprocess.run(
            [*init, "--encoding", "UTF8", "--locale", "C", "--no-sync"],
            capture_output=True,
            cwd=folder,
            user=user,
            group=group,
            extra_groups=others,
        )
        assert made.returncode == 0, made.stderr.decode()
        settings = [part for setting in (*_FAST, "listen_addresses=") for part in ("-c", setting)]
        log = (folder / "log").open("wb")
        server = subprocess.Popen(
            [find_server_program("postgres"), "-D", data, "-k", folder, *settings],
            stdout=log,
            stderr=log,
            cwd=folder,
            preexec_fn=_end_with_parent,
            user=user,
            group=group,
            extra_groups=others,
        )
        try:
            running = PostgresServer(folder)
            deadline = time.monotonic() + timeout_s
            while not running.answers():
                assert server.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, f"PostgreSQL did not answer within {timeout_s} s"
                time.sleep(0.02)
            yield running
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout_s)
            log.close()


def _find_account() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("postgres")
    return pwd.getpwnam("nobody")


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
