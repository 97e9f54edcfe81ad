#!/usr/bin/env python3
"""How long somebody waits while others do their worst.

    benches/fairness.py [KIND ...] [--cooee PATH] [--members N]

One client asks an echo 100 times a second for 4 s, on the same server that others keep as busy as
they may: with `--chat-rate off` and no other limit changed. Printed are the client's latencies, and
how long the server's turns were meanwhile (`cooee_turn_seconds`, by the clock). The server has one
CPU, everybody else another. As root the server and the client run before the others (nice,
SCHED_FIFO), or the client would wait for those instead of the server. docs/performance.md has figures.

    calm     nobody else
    say      a member floods a room with short lines
    whole    a member floods a room with lines as long as they may be
    nick     a member renames itself without end
    join     a member changes rooms without end
    leave    all members go at once
    idle     8,000 connections are idle for too long at the same time
    bulk     4 connections send and take all they can
    connect  1,000 at once connect, ask once and close
    echo     4,096 ask again as soon as they are answered
"""

import argparse
import json
import os
import re
import resource
import selectors
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

FLOODS = {
    "say": b"hi\n",
    "whole": b"x" * 1000 + b"\n",
    "nick": b"/nick aaaa\n/nick bbbb\n",
    "join": b"/join a\n/join lobby\n",
}
BENCHES = {
    "bulk": ["tcp_stream", "-c", "4"],
    "connect": ["tcp_crr", "-c", "1000"],
    "echo": ["tcp_rr", "-c", "4096"],
}
KINDS = ["calm", *FLOODS, "leave", "idle", *BENCHES]
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def serve(cooee, kind):
    """A server on the first CPU, and where it listens."""
    folder = tempfile.mkdtemp()
    ports, log = os.path.join(folder, "ports"), os.path.join(folder, "log")
    first = ["nice", "-n", "-20"] if os.geteuid() == 0 else []
    words = first + ["taskset", "-c", "0", cooee, "serve", "chat+tcp://127.0.0.1:0"]
    words += ["echo+tcp://127.0.0.1:0"]
    words += ["--chat-rate", "off", "--admin", "127.0.0.1:0", "--announce", ports]
    words += ["--idle-timeout", "3s"] if kind == "idle" else []
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=open(log, "w"))
    for _ in range(500):
        if os.path.exists(ports) and "echo+tcp" in open(ports).read():
            found = dict(re.findall(r"(\w+)\+tcp://127.0.0.1:(\d+)", open(ports).read()))
            found["admin"] = re.search(r"http://127.0.0.1:(\d+)", open(log).read())[1]
            return child, {name: int(port) for name, port in found.items()}
        if child.poll() is not None:
            break
        time.sleep(0.02)
    raise SystemExit(f"fairness.py: the server did not start: {open(log).read()}")


def turns(admin):
    """How many turns there were, by how long they took at most."""
    text = urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics").read().decode()
    bins = re.findall(r'cooee_turn_seconds_bucket\{le="([\d.]+)"\} (\d+)', text)
    return {float(bound): int(count) for bound, count in bins}


def crowd(port, count):
    """Members of a room."""
    members = []
    for number in range(count):
        members.append(socket.create_connection(("127.0.0.1", port)))
        if number % 100 == 99:
            time.sleep(0.05)
    return members


def read_all(members):
    """Reads what they are told, for as long as this runs."""
    selector = selectors.EpollSelector()
    for member in members:
        member.setblocking(False)
        selector.register(member, selectors.EVENT_READ)

    def read():
        while True:
            for key, _ in selector.select():
                try:
                    if not key.fileobj.recv(1 << 18):
                        selector.unregister(key.fileobj)
                except (OSError, KeyError, ValueError):
                    pass

    threading.Thread(target=read, daemon=True).start()


def flood(port, text):
    """A member that says that without end."""
    member = socket.create_connection(("127.0.0.1", port))
    text *= 1 + 20_000 // len(text)

    def write():
        try:
            while True:
                member.sendall(text)
        except OSError:
            pass

    def read():
        try:
            while member.recv(1 << 18):
                pass
        except OSError:
            pass

    for target in (write, read):
        threading.Thread(target=target, daemon=True).start()
    return member


def disturb(options, kind, ports):
    """Begins with it: a process to be ended, and what is to be kept meanwhile."""
    if kind in BENCHES:
        name, *others = BENCHES[kind]
        words = ["nice", "-n", "5", options.cooee, "bench", name, f"127.0.0.1:{ports['echo']}"]
        return subprocess.Popen(words + others + ["-t", "60s"], **QUIET), []
    if kind == "calm":
        return None, []
    if kind == "idle":
        return None, crowd(ports["echo"], 8000)
    members = crowd(ports["chat"], options.members)
    read_all(members)
    if kind == "leave":
        leave = lambda: [member.shutdown(socket.SHUT_RDWR) for member in members]
        threading.Timer(2, leave).start()
    else:
        members.append(flood(ports["chat"], FLOODS[kind]))
    return None, members


def measure(options, kind):
    server, ports = serve(options.cooee, kind)
    busy, kept = disturb(options, kind, ports)
    time.sleep(1)
    before = turns(ports["admin"])
    words = [options.cooee, "bench", "tcp_rr", f"127.0.0.1:{ports['echo']}", "-c", "1"]
    words += ["--rate", "100", "-t", "4s", "-w", "200ms", "--json", "-"]
    first = ["chrt", "-f", "50"] if os.geteuid() == 0 else []
    result = subprocess.run(first + words, capture_output=True, text=True)
    after = turns(ports["admin"])
    if busy:
        busy.terminate()
        busy.wait()
    server.kill()
    server.wait()
    for one in kept:
        one.close()
    if result.returncode != 0:
        raise SystemExit(f"fairness.py: {kind}: {result.stderr}")
    us = json.loads(result.stdout)["latency_us"]
    counts = {bound: after[bound] - before[bound] for bound in sorted(after)}
    most = max(counts.values())
    longest = next(bound for bound in counts if counts[bound] == most)
    beyond = most - counts[0.005]
    figures = f"{us['p50']:8.0f} {us['p99']:8.0f} {us['max']:8.0f}"
    print(f"{kind:10}{figures} {most:8} {longest * 1000:8.1f} {beyond:8}", flush=True)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND")
    parser.add_argument("--cooee", default="target/release/cooee")
    parser.add_argument("--members", type=int, default=1000)
    options = parser.parse_args()
    for kind in options.kinds:
        if kind not in KINDS:
            parser.error(f"there is no {kind}: choose among {', '.join(KINDS)}")
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("fairness.py: it takes two CPUs")
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {0})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print("          latency, us: p50      p99      max    turns  at most, ms  over 5 ms")
    for kind in options.kinds or KINDS:
        measure(options, kind)


main()
