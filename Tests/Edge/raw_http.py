#!/usr/bin/env python3
"""Sends raw bytes to an HTTP server on this machine and judges what comes back: the framing rules of RFC 9112 and 9110.

    raw_http.py --port N [--split whole|bytes|random] [--seed S] [cases.jsonl ...]     judge (all splits by default)
    raw_http.py --list [cases.jsonl ...]                                               print the cases, readable

A case is one line: {"id", "rule", "expect", "messages", "status", "bytes_b64"}.
  reject  one final answer, 4xx or 501 or 505 (`status` where given), and the server closes the connection
  accept  as many final answers as `messages`, none of them 400 or 5xx but 501, each with a length that is right; fewer
          when the last of them says that the connection closes (an answer that didn't wait for the body)
  open    the request never ends: the server may wait, but must neither answer with success nor fall over
After the cases a fresh request must be answered. Standard library only."""
import argparse
import asyncio
import base64
import json
import pathlib
import random
import re
import sys

CASES = pathlib.Path(__file__).with_name("raw_http_cases.jsonl")
SPLITS = ("whole", "bytes", "random")
QUIET = 1.0     # seconds without a byte after which nothing more is expected
PATIENCE = 8.0  # seconds for one case


class Malformed(Exception):
    """The server's answer isn't HTTP."""


def read_cases(paths):
    for path in paths or [CASES]:
        for line in pathlib.Path(path).read_text().splitlines():
            case = json.loads(line)
            if "bytes_b64" in case:
                yield case | {"bytes": base64.b64decode(case["bytes_b64"])}


def answers(received, heads=()):
    """The statuses of the final answers in `received`, by their own framing, and whether the last one says that the
    connection closes; Malformed when the framing is broken. `heads` are the positions of answers to HEAD requests: they
    have no content."""
    found, closes, position = [], False, 0
    while position < len(received):
        end = received.find(b"\r\n\r\n", position)
        if end < 0:
            raise Malformed(f"an unfinished head: {received[position:][:80]!r}")
        lines = received[position:end].split(b"\r\n")
        match = re.fullmatch(rb"HTTP/1\.1 ([1-5]\d\d) [\t -~]*", lines[0])
        if not match:
            raise Malformed(f"no status line: {lines[0][:80]!r}")
        status, fields = int(match[1]), {}
        for line in lines[1:]:
            if not re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+: ?[\t -~]*", line):
                raise Malformed(f"no field line: {line[:80]!r}")
            name, value = line.split(b":", 1)
            fields.setdefault(name.lower(), []).append(value.strip())
        position = end + 4
        if status < 200:
            continue
        if b"date" not in fields:
            raise Malformed("no Date field")
        bare = status in (204, 304) or len(found) in heads
        found.append(status)
        closes = fields.get(b"connection") == [b"close"]
        if not bare:
            position = skip_content(received, position, fields)
    return found, closes


def skip_content(received, position, fields):
    if fields.get(b"transfer-encoding") == [b"chunked"]:
        while True:
            end = received.find(b"\r\n", position)
            size = int(received[position:end], 16)
            position = end + 2 + size + 2
            if end < 0 or position > len(received):
                raise Malformed("an unfinished chunk")
            if size == 0:
                return position
    lengths = fields.get(b"content-length", [])
    if len(lengths) != 1 or not lengths[0].isdigit():
        raise Malformed(f"Content-Length {lengths!r}")
    position += int(lengths[0])
    if position > len(received):
        raise Malformed("content shorter than its length")
    return position


def pieces(data, split, dice):
    if split == "whole":
        yield data
        return
    position = 0
    while position < len(data):
        count = 1 if split == "bytes" else dice.randint(1, 60)
        yield data[position:position + count]
        position += count


async def converse(port, data, split, dice, is_enough=lambda received: False):
    """Sends `data` in pieces; what came back, and whether the server closed."""
    reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 5)
    received, closed = bytearray(), False

    async def send():
        try:
            for number, piece in enumerate(pieces(data, split, dice)):
                writer.write(piece)
                await writer.drain()
                # One segment each: without a pause the kernel would join them again.
                if split == "random" or (split == "bytes" and (number < 600 or number % 50 == 0)):
                    await asyncio.sleep(0)
        except OSError:
            pass

    sender = asyncio.create_task(send())
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while asyncio.get_running_loop().time() < deadline and not is_enough(received):
        try:
            chunk = await asyncio.wait_for(reader.read(65_536), QUIET)
        except asyncio.TimeoutError:
            if sender.done():
                break
            continue
        except OSError:
            closed = True
            break
        if not chunk:
            closed = True
            break
        received += chunk
    sender.cancel()
    writer.close()
    return bytes(received), closed


def verdict(case, received, closed):
    """None, or what is wrong."""
    heads = [i for i, line in enumerate(re.findall(rb"(?m)^(?:GET|HEAD|POST|PUT) ", case["bytes"])) if line == b"HEAD "]
    try:
        statuses, closes = answers(received, heads)
    except Malformed as problem:
        return str(problem)
    if case["expect"] == "reject":
        if len(statuses) != 1:
            return f"{statuses} instead of one refusal"
        if not (400 <= statuses[0] < 500 or statuses[0] in (501, 505)):
            return f"answered {statuses[0]}"
        if case.get("status", statuses[0]) != statuses[0]:
            return f"answered {statuses[0]} instead of {case['status']}"
        return None if closed else f"answered {statuses[0]}, and the connection stays open"
    if case["expect"] == "accept":
        wanted = case.get("messages", 1)
        if len(statuses) != wanted and not (0 < len(statuses) < wanted and closes and closed):
            return f"{statuses}: {len(statuses)} answers instead of {wanted}"
        bad = [status for status in statuses if status == 400 or status >= 500 and status != 501]
        return f"refused: {statuses}" if bad else None
    return f"answered {statuses}" if any(status < 400 or status == 500 for status in statuses) else None


async def judge_all(port, cases, split, seed, at_once=16):
    """[(id, what is wrong)] of the cases that went wrong."""
    gate, wrong = asyncio.Semaphore(at_once), []

    async def judge(case):
        async with gate:
            try:
                received, closed = await converse(port, case["bytes"], split, random.Random(f"{seed}{case['id']}"))
                problem = verdict(case, received, closed)
            except (OSError, asyncio.TimeoutError) as error:
                problem = f"no connection: {error!r}"
            if problem:
                wrong.append((case["id"], problem))

    await asyncio.gather(*(judge(case) for case in cases))
    canary = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    received, _ = await converse(port, canary, "whole", random.Random(0))
    if not received.startswith(b"HTTP/1.1 "):
        wrong.append(("afterwards", "the server doesn't answer any more"))
    return wrong


def run(port, paths=(), splits=SPLITS, seed=0):
    """{split: [(id, what is wrong)]}."""
    cases = list(read_cases(paths))
    return {split: asyncio.run(judge_all(port, cases, split, seed)) for split in splits}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int)
    parser.add_argument("--split", choices=SPLITS)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("cases", nargs="*")
    arguments = parser.parse_args()
    if arguments.list:
        for case in read_cases(arguments.cases):
            print(f"{case['expect']:7}{case['id']}  [{case.get('rule', '')}]\n        {case['bytes'][:300]!r}")
        return 0
    if not arguments.port:
        parser.error("--port is needed")
    splits = (arguments.split,) if arguments.split else SPLITS
    results = run(arguments.port, arguments.cases, splits, arguments.seed)
    count = len(list(read_cases(arguments.cases)))
    for split, wrong in results.items():
        print(f"{split}: {count - len(wrong)} of {count} right (seed {arguments.seed})")
        for name, problem in sorted(wrong):
            print(f"  {name}: {problem}")
    return 1 if any(results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
