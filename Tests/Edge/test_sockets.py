"""What only a process with its own limits can show: descriptors run out, clients vanish, and the server goes on."""
import os
import pathlib
import resource
import socket
import subprocess
import time

import pytest

from server import PROGRAMS, free_port

HELLO = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def hello():
    """hello(files) starts the bare HTTP server with that many descriptors; its port and process."""
    started = []

    def start(files):
        port = free_port()
        process = subprocess.Popen(
            [PROGRAMS / "hello-server", str(port)], env={"SWIFT_BACKTRACE": "enable=no"},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)))
        started.append(process)
        deadline = time.monotonic() + 10
        while True:
            try:
                ask(connect(port))
                return port, process
            except OSError:
                assert time.monotonic() < deadline and process.poll() is None, "hello-server doesn't start"
                time.sleep(0.02)

    yield start
    for process in started:
        assert process.poll() is None, f"hello-server ended with {process.returncode}"
        process.kill()
        process.wait()


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def ask(connection):
    connection.sendall(HELLO)
    received = b""
    while not received.endswith(b"hello, world"):
        chunk = connection.recv(4096)
        if not chunk:
            break
        received += chunk
    return received[:12]


def cpu_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_files(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def test_running_out_of_descriptors_costs_no_cpu_and_ends(hello):
    port, process = hello(64)
    served = connect(port)
    assert ask(served) == b"HTTP/1.1 200"
    crowd = [connect(port) for _ in range(200)]
    before, start = cpu_seconds(process), time.monotonic()
    time.sleep(1)
    assert (cpu_seconds(process) - before) / (time.monotonic() - start) < 0.2
    assert ask(served) == b"HTTP/1.1 200", "who was connected before is served"
    for connection in crowd:
        connection.close()
    deadline = time.monotonic() + 10
    while ask(connect(port)) != b"HTTP/1.1 200":
        assert time.monotonic() < deadline, "the server doesn't recover"


def test_connections_leave_nothing_behind(hello):
    port, process = hello(1024)
    ask(connect(port))
    before = open_files(process)
    for number in range(2_000):
        connection = connect(port)
        connection.sendall((HELLO, HELLO[:20], b"\0\r\n\r\n", b"")[number % 4])
        if number % 3:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
    deadline = time.monotonic() + 10
    while open_files(process) > before:
        assert time.monotonic() < deadline, f"{open_files(process)} descriptors instead of {before}"
        time.sleep(0.05)
