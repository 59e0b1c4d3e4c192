"""A PostgreSQL server of its own, from the machine's programs, in a directory that goes with it."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

PASSWORD = "a password: with / and @"


class Postgres:
    """Listens on a free port of loopback. It refuses to run as root: root starts it as user postgres."""

    def __init__(self):
        programs = sorted(
            Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name)
        )
        self.programs = programs[-1] if programs else Path(shutil.which("initdb")).parent
        self.user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        shutil.chown(self.folder, self.user)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        secret = self.folder / "password"
        secret.write_text(PASSWORD, encoding="utf-8")
        shutil.chown(secret, self.user)
        self.run(
            "initdb",
            "--pgdata",
            self.folder / "data",
            "--username=admin",
            "--auth=scram-sha-256",
            f"--pwfile={secret}",
        )
        settings = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        log = self.folder / "log"
        self.run(
            "pg_ctl", "start", "--wait", "--pgdata", self.folder / "data", "--log", log, "--options", settings
        )

    def close(self):
        self.run("pg_ctl", "stop", "--mode=immediate", "--pgdata", self.folder / "data")
        shutil.rmtree(self.folder)

    def database(self, name):
        """Makes a database; its URL without the driver."""
        self.query("postgres", f"create database {name}")
        return f"://admin:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{name}"

    def query(self, database, sql):
        """The rows of a query, a line each."""
        where = ["--host=127.0.0.1", f"--port={self.port}", "--username=admin", f"--dbname={database}"]
        return self.run("psql", *where, "--no-align", "--tuples-only", "--command", sql).splitlines()

    def run(self, program, *arguments):
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PGPASSWORD": PASSWORD}
        # pg_ctl leaves the server its output: a pipe would never end, a file of the folder does.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [self.programs / program, *arguments],
                user=self.user if os.geteuid() == 0 else None,
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
            output.seek(0)
            text = output.read()
        if done.returncode:
            raise RuntimeError(f"{program} ended with {done.returncode}: {text}")
        return text
