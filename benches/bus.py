#!/usr/bin/env python3
"""What rooms that span servers cost: several `cooee serve` joined by one nats-server.

    benches/bus.py latency [--rate LINES] [--plain]   a line from a member of one to one of another
    benches/bus.py delivery [--members N]             CPU a delivery, with one server and with two
    benches/bus.py idle [--rooms N] [--servers N]     what it costs while nobody says anything

All of it on this machine, over loopback; nats-server has to be in PATH. CPU is that of all threads
of a process (/proc/PID/task/*/schedstat). docs/scale.md has figures, and says on what.
"""

import argparse
import collections
import glob
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

Process = collections.namedtuple("Process", "child port")


def start(words, folder, name):
    """Starts a program. Its log is in the folder."""
    log = open(os.path.join(folder, name + ".log"), "w")
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def wait_for(what, read):
    """What `read` returns once that is something."""
    for _ in range(500):
        try:
            if found := read():
                return found
        except (OSError, ValueError, IndexError):
            pass
        time.sleep(0.02)
    raise SystemExit(f"bus.py: {what} is not ready after 10 s")


def nats(folder, has_stream):
    """A nats-server with and without a stream, and its ports."""
    words = ["nats-server", "-a", "127.0.0.1", "-p", "-1", "-m", "-1", "--ports_file_dir", folder]
    child = start(words + (["-js", "-sd", folder] if has_stream else []), folder, "nats")
    ports = lambda: json.load(open(glob.glob(os.path.join(folder, "*.ports"))[0]))
    return child, wait_for("nats-server", ports)


def server(cooee, folder, number, url):
    """A chat, on the bus if there is one."""
    ports = os.path.join(folder, f"ports-{number}")
    words = [cooee, "serve", "chat://127.0.0.1:0", "--chat-rate", "off", "--announce", ports, "-q"]
    if url:
        words += ["--bus", url, "--bus-name", f"node{number}", "--bus-rate", "off"]
    child = start(words, folder, f"node{number}")
    port = wait_for("cooee", lambda: re.search(r":(\d+)$", open(ports).read(), re.M))
    return Process(child, int(port.group(1)))


def member(process, words=""):
    """A member of its chat, that has said something."""
    stream = socket.create_connection(("127.0.0.1", process.port))
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.sendall(words.encode())
    return stream


def cpu(child):
    """Seconds of CPU of a process so far."""
    tasks = glob.glob(f"/proc/{child.pid}/task/*/schedstat")
    return sum(int(open(task).read().split()[0]) for task in tasks) / 1e9


class World:
    """Servers, and what joins them."""

    def __init__(self, cooee, servers, is_joined=True, has_stream=True):
        self.folder = tempfile.TemporaryDirectory()
        self.nats, self.ports, url = None, None, None
        if is_joined:
            self.nats, self.ports = nats(self.folder.name, has_stream)
            url = self.ports["nats"][0]
        every = range(servers)
        self.servers = [server(cooee, self.folder.name, number, url) for number in every]
        # They have found each other.
        time.sleep(1 if is_joined else 0)

    def children(self):
        return [one.child for one in self.servers] + ([self.nats] if self.nats else [])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in self.children():
            child.kill()
            child.wait()
        self.folder.cleanup()


def latency(args):
    """From the write of one member to the read of another, elsewhere."""
    with World(args.cooee, 2, has_stream=not args.plain) as world:
        ann, bob = (member(one, f"/nick {name}\n") for one, name in zip(world.servers, ["ann", "bob"]))
        time.sleep(1)
        took = []

        def listen():
            rest = b""
            while chunk := bob.recv(65536):
                now = time.perf_counter_ns()
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if sent := re.match(rb"<ann@node0> (\d+)$", line):
                        took.append((now - int(sent.group(1))) / 1e6)

        threading.Thread(target=listen, daemon=True).start()
        begun, total = time.perf_counter_ns(), args.rate * args.seconds
        for number in range(total):
            due = begun + number * 1_000_000_000 // args.rate
            while (wait := due - time.perf_counter_ns()) > 0:
                time.sleep(wait / 1e9 if wait > 60_000 else 0)
            ann.sendall(b"%d\n" % time.perf_counter_ns())
        time.sleep(1)
        took.sort()
        at = lambda share: took[min(len(took) - 1, int(len(took) * share))]
        told = ", ".join(f"p{share * 100:g} {at(share):.3f}" for share in (0.5, 0.9, 0.99, 0.999))
        print(f"{len(took)} of {total} lines at {args.rate}/s: {told}, max {took[-1]:.3f} ms")


def drain(selector, seconds):
    """Reads what comes. Returns how many lines it was that count."""
    end, lines = time.monotonic() + seconds, 0
    while True:
        wait = end - time.monotonic()
        for key, _ in selector.select(max(0, wait)):
            try:
                lines += key.fileobj.recv(65536).count(b"> hello\n")
            except BlockingIOError:
                pass
        if wait <= 0:
            return lines


def delivery(args):
    """One server; two that know nothing of each other; two that are joined."""
    for servers, is_joined in ((1, False), (2, False), (2, True)) * args.rounds:
        with World(args.cooee, servers, is_joined) as world, selectors.DefaultSelector() as selector:
            speakers = []
            for number, process in enumerate(world.servers):
                for place in range(args.members):
                    name = f"/nick speaker{number}\n" if place == 0 else ""
                    stream = member(process, name)
                    stream.setblocking(False)
                    selector.register(stream, selectors.EVENT_READ)
                    if place == 0:
                        speakers.append(stream)
                    if place % 50 == 49:
                        drain(selector, 0.01)
            drain(selector, 3)
            before, begun, heard = [cpu(one) for one in world.children()], time.monotonic(), 0
            total = args.rate * args.seconds
            for number in range(total):
                heard += drain(selector, begun + number / args.rate - time.monotonic())
                whose = [speakers[number % servers]] if is_joined else speakers
                for speaker in whose:
                    speaker.sendall(b"hello\n")
            heard += drain(selector, 1)
            spent = [cpu(one) - was for one, was in zip(world.children(), before)]
            ours, theirs = sum(spent[:servers]), sum(spent[servers:])
            how = "joined" if is_joined else "alone" if servers == 1 else "apart"
            print(f"{servers} of {args.members} members, {how}: {heard} deliveries, cooee "
                  f"{ours / heard * 1e6:.2f} us, nats-server {theirs / heard * 1e6:.2f} us each", flush=True)


def idle(args):
    """One member a room and server, who says nothing."""
    with World(args.cooee, args.servers) as world:
        members = []
        for process in world.servers:
            for room in range(args.rooms):
                members.append(member(process, f"/join room{room}\n"))
                time.sleep(0.02 if room % 50 == 49 else 0)
        time.sleep(12)
        watch = world.ports["monitoring"][0] + "/varz"
        counts = lambda: json.load(urllib.request.urlopen(watch))
        spent, seen = [cpu(one) for one in world.children()], counts()
        time.sleep(args.seconds)
        now, spent_now = counts(), [cpu(one) for one in world.children()]
        shares = [(b - a) / args.seconds * 100 for a, b in zip(spent, spent_now)]
        rate = lambda what: (now[what] - seen[what]) / args.seconds
        print(f"{args.servers} servers of {args.rooms} rooms: CPU of cooee "
              f"{', '.join(f'{share:.1f}' for share in shares[:-1])} %, of nats-server {shares[-1]:.1f} %; "
              f"messages a second {rate('in_msgs'):.0f} to it, {rate('out_msgs'):.0f} from it; "
              f"{now['mem'] // 1_000_000} MB there")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["latency", "delivery", "idle"])
    parser.add_argument("--cooee", default="target/release/cooee")
    parser.add_argument("--rate", type=int, help="lines a second (1,000; delivery: 20)")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--plain", action="store_true", help="without a stream")
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rooms", type=int, default=100)
    parser.add_argument("--servers", type=int, default=2)
    args = parser.parse_args()
    args.rate = args.rate or {"delivery": 20}.get(args.what, 1000)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    {"latency": latency, "delivery": delivery, "idle": idle}[args.what](args)


if __name__ == "__main__":
    main()
