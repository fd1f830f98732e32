"""A Unix socket between a server and PostgreSQL that counts what the server sends (its documentation, 55.7)."""
import collections
import pathlib
import socket
import struct
import tempfile
import threading

NAME = ".s.PGSQL.5432"


class Wire:
    """`host` is its folder. `sent` counts the front end's messages by type: B is Bind, S is Sync, Q a simple query;
    `statements` the prepared statements that were bound."""

    def __init__(self, behind):
        self.host = tempfile.mkdtemp(prefix="wire-", dir="/tmp")
        self.behind = str(pathlib.Path(behind, NAME))
        self.lock = threading.Lock()
        self.forget()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(pathlib.Path(self.host, NAME)))
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def forget(self):
        with self.lock:
            self.sent, self.statements = collections.Counter(), collections.Counter()

    def close(self):
        self.listener.close()
        pathlib.Path(self.host, NAME).unlink()
        pathlib.Path(self.host).rmdir()

    def accept(self):
        while True:
            try:
                front, _ = self.listener.accept()
            except OSError:
                return   # closed
            back = socket.socket(socket.AF_UNIX)
            back.connect(self.behind)
            threading.Thread(target=self.pump, args=(front, back, self.count), daemon=True).start()
            threading.Thread(target=self.pump, args=(back, front, None), daemon=True).start()

    def pump(self, source, target, count):
        pending, is_started = b"", False
        try:
            while data := source.recv(65536):
                if count:
                    pending, is_started = count(pending + data, is_started)
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def count(self, data, is_started):
        """Counts every whole message; what is left of the last one. The first message of all has no type."""
        while True:
            head = 5 if is_started else 4
            if len(data) < head:
                return data, is_started
            length = struct.unpack(">I", data[head - 4:head])[0] + head - 4
            if len(data) < length:
                return data, is_started
            if is_started:
                self.note(chr(data[0]), data[5:length])
            data, is_started = data[length:], True

    def note(self, kind, body):
        with self.lock:
            self.sent[kind] += 1
            if kind == "B":
                self.statements[body.split(b"\0")[1].decode()] += 1
