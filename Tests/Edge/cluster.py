"""Throw-away PostgreSQL clusters, made by the same script that `make run` uses."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import psycopg

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / ".make" / "cluster"


class Cluster:
    """A cluster of its own on a Unix socket; `durable` keeps fsync on, for tests that kill it."""

    def __init__(self, durable=False):
        self.home = tempfile.mkdtemp(prefix="smile-", dir="/tmp")
        os.rmdir(self.home)   # made again by the cluster's owner
        self.settings = ["max_connections=400"]
        if not durable:
            self.settings += ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
        self.start()

    def start(self):
        subprocess.run([SCRIPT, "start", self.home, self.home, "trust", *self.settings], check=True)

    def stop(self):
        """A fast shutdown: connections are closed, the files are clean."""
        subprocess.run([SCRIPT, "stop", self.home], check=True)

    def crash(self):
        """Ends it without a clean shutdown; start() recovers from the write-ahead log."""
        subprocess.run([SCRIPT, "crash", self.home], check=True)

    def destroy(self):
        subprocess.run([SCRIPT, "destroy", self.home, self.home], check=True)
        shutil.rmtree(self.home, ignore_errors=True)

    def url(self, database="postgres", user="postgres"):
        return f"host={self.home} dbname={database} user={user}"

    def create(self, database, template=None):
        """A new database; cloning a migrated template takes a tenth of migrating again."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            clause = f' TEMPLATE "{template}"' if template else ""
            connection.execute(f'CREATE DATABASE "{database}"{clause}')

    def connect(self, database, **options):
        return psycopg.connect(self.url(database), autocommit=True, **options)

    @property
    def programs(self):
        """The folder of psql, pg_dump and their like, of this cluster's version."""
        found = subprocess.run([SCRIPT, "programs"], check=True, capture_output=True, text=True).stdout
        return pathlib.Path(found.strip())

    def log(self):
        return pathlib.Path(self.home, "log").read_text(errors="replace")
