#!/usr/bin/env bash
# Counts the heap allocations of one `GET /hello`, averaged over 800 requests on one keep-alive connection, and fails
# above the limit (12).
#   Benchmarks/count_allocations.sh [path of hello-server]      (default: .build/release/hello-server)
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
program="${1:-$root/.build/release/hello-server}"
limit="${LIMIT:-12}"
port="${PORT:-18099}"
work="$(mktemp -d)"
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT

cc -O1 -shared -fPIC -o "$work/count.so" "$root/Benchmarks/allocations/count.c"
ALLOCATION_COUNT="$work/count" LD_PRELOAD="$work/count.so" SWIFT_BACKTRACE=enable=no "$program" "$port" &
server=$!

python3 - "$port" "$work/count" "$limit" <<'PYTHON'
import socket, struct, sys, time
port, path, limit = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
for attempt in range(200):
    try:
        connection = socket.create_connection(("127.0.0.1", port), timeout=5)
        break
    except OSError:
        time.sleep(0.02)
else:
    sys.exit("the server doesn't listen")
request = b"GET /hello HTTP/1.1\r\nHost: localhost\r\nUser-Agent: count\r\nAccept: */*\r\n\r\n"

def ask(times):
    for _ in range(times):
        connection.sendall(request)
        answer = b""
        while not answer.endswith(b"hello, world"):
            answer += connection.recv(4096)

def count():
    with open(path, "rb") as file:
        return struct.unpack("<Q", file.read(8))[0]

ask(100)
before = count()
ask(800)
each = (count() - before) / 800
print(f"{each:.2f} allocations a request (limit {limit:g})")
sys.exit(each > limit)
PYTHON
