"""The measurements. Ratios of one run count: two cores are shared by the client, the targets and the upstream."""

import itertools
import json
import re
import socket
import statistics
import subprocess
import time

import servers


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def load(stack, targets, name, options):
    """Alternating rounds of closed-loop load: processor time and requests of each target, and their ratios."""
    rounds = {target: [] for target in targets}
    for number in range(options.rounds + 1):
        order = list(targets) if number % 2 else list(targets)[::-1]
        for target in order:
            visited = visit(stack, target, targets[target][name], options)
            # The first round warms up.
            if number:
                rounds[target].append(visited)
    result = {}
    for target, visits in rounds.items():
        result[target] = {
            "cpu us": spread([v["cpu us"] for v in visits]),
            "per second": spread([v["per second"] for v in visits]),
            "requests": sum(v["requests"] for v in visits),
        }
        if target == "direct":
            continue
        base = rounds["nginx"]
        result[target]["cpu x nginx"] = spread([v["cpu us"] / n["cpu us"] for v, n in zip(visits, base)])
        result[target]["throughput x nginx"] = spread([v["per second"] / n["per second"] for v, n in zip(visits, base)])
        result[target]["upstream calls per request"] = max(v["upstream calls"] for v in visits)
        result[target]["upstream connections"] = max(v["upstream connections"] for v in visits)
    return result


class Refused(Exception):
    """Some answers were not 200: how many."""


def visit(stack, target, request, options, connections=None):
    """One visit. With an answer that is not 200 it does not count, and is made again; how often is reported: a disk
    that stalls for half a second under somebody else's load fills the audit queue, and then reads are refused."""
    for _ in range(4):
        try:
            return visit_once(stack, target, request, options, connections or options.connections)
        except Refused as refused:
            stack.refused.append(f"{target}: {refused}")
            time.sleep(2)
    raise SystemExit(f"answers other than 200: {', '.join(stack.refused)}")


def visit_once(stack, target, request, options, connections):
    process = "upstream" if target == "direct" else target
    port, requests = request
    script = stack.folder / "requests.lua"
    script.write_text(in_turn(requests))
    command = [servers.tool("wrk"), "-t1", f"-c{connections}", f"-d{options.seconds}s", "--timeout", "10s"]
    command += ["-s", str(script)]
    accepts, asked = stack.upstream_counts()
    cpu, started = stack.cpu(process), time.monotonic()
    done = subprocess.run([*command, f"http://127.0.0.1:{port}"], capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise SystemExit(f"wrk: {done.stderr.strip()}")
    elapsed = time.monotonic() - started
    # What a request leaves behind (the audit trail's insert) belongs to it.
    time.sleep(0.25)
    cpu = stack.cpu(process) - cpu
    accepts_after, asked_after = stack.upstream_counts()
    answered = int(re.search(r"(\d+) requests in", done.stdout).group(1))
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    errors = re.search(r"Socket errors: (.*)", done.stdout)
    if failed or errors or not answered:
        raise Refused(f"{(failed or errors or [done.stdout])[0]} of {answered}")
    return {
        "requests": answered,
        "per second": answered / elapsed,
        "cpu us": cpu / answered * 1e6,
        # wrk leaves up to one request for each connection under way when it ends: those were sent, and are not counted.
        "upstream calls": round((asked_after - asked) / answered, 3),
        "upstream connections": accepts_after - accepts,
    }


def in_turn(requests):
    """A script for wrk that sends these requests one after the other, over and over, whichever connection is free."""
    rows = []
    for path, headers, *body in requests:
        fields = ", ".join(f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items())
        method, rest = ("POST", f", {json.dumps(body[0])}") if body else ("GET", "")
        rows.append(f"  wrk.format('{method}', {json.dumps(path)}, {{ {fields} }}{rest}),")
    return "\n".join([
        "local last, requests = 0, nil",
        "init = function()",
        "  requests = {",
        *rows,
        "  }",
        "end",
        "request = function()",
        "  last = last % #requests + 1",
        "  return requests[last]",
        "end",
        "",
    ])


class Client:
    """One kept connection, one request at a time, with as little of its own as Python allows; the target's requests in
    turn."""

    def __init__(self, target):
        port, requests = target
        self.requests = itertools.cycle([self.written(port, *request) for request in requests])
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @staticmethod
    def written(port, path, headers):
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n{lines}\r\n".encode()

    def get(self):
        request = next(self.requests)
        self.socket.sendall(request)
        received = self.socket.recv(1 << 19)
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self.piece()
        head = received[:end].decode()
        if not head.startswith("HTTP/1.1 200 "):
            raise SystemExit(f"{request.split()[1].decode().partition('?')[0]}: {head.splitlines()[0]}")
        length = int(re.search(r"(?i)\r\ncontent-length: (\d+)", head).group(1))
        # Into one buffer: putting pieces together would cost more than the gateway's answer of megabytes itself.
        body = bytearray(length)
        view, at = memoryview(body), len(received) - end - 4
        view[:at] = received[end + 4 :]
        while at < length:
            taken = self.socket.recv_into(view[at:])
            if not taken:
                raise ConnectionError("closed before the answer was whole")
            at += taken
        return body

    def piece(self):
        piece = self.socket.recv(1 << 19)
        if not piece:
            raise ConnectionError("closed before the answer was whole")
        return piece

    def close(self):
        self.socket.close()


def latency(targets, name, pairs):
    """Single requests, interleaved: each gateway request stands beside one of nginx and one of the upstream."""
    clients = {target: Client(targets[target][name]) for target in targets}
    times = {target: [] for target in targets}
    for number in range(pairs + 50):
        order = list(clients) if number % 2 else list(clients)[::-1]
        for target in order:
            started = time.perf_counter_ns()
            clients[target].get()
            taken = (time.perf_counter_ns() - started) / 1e6
            if number >= 50:
                times[target].append(taken)
    for client in clients.values():
        client.close()
    result = {}
    for target, taken in times.items():
        result[target] = {"p50 ms": quantile(taken, 0.5), "p99 ms": quantile(taken, 0.99)}
    for target in ("nginx", "gateway"):
        added = [a - b for a, b in zip(times[target], times["direct"])]
        result[target] |= {"added p50 ms": quantile(added, 0.5), "added p99 ms": quantile(added, 0.99)}
    return result


def quantile(values, share):
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)


def upstream_calls(stack, target, requests=200):
    """Calls at the upstream for so many requests one after the other: counted there, exactly."""
    client = Client(target)
    _, before = stack.upstream_counts()
    for _ in range(requests):
        client.get()
    _, after = stack.upstream_counts()
    client.close()
    return {"requests": requests, "upstream calls": after - before}


def idle(stack):
    time.sleep(2)
    return stack.memory("gateway")


def memory_under_load(stack, targets, options):
    """64 connections of 30 KB searches, then rest."""
    visit(stack, "gateway", targets["gateway"]["search 30 KB"], options, connections=64)
    after = stack.memory("gateway")
    time.sleep(5)
    return {
        "after 64 connections, 30 KB": after,
        "5 s later": stack.memory("gateway"),
        "nginx, after all": stack.memory("nginx"),
    }


def cold_start(stack, target, starts):
    """From the start of the process to the first 200 of a read with a token from before; the files are in memory."""
    taken, listening = [], []
    for _ in range(starts):
        stack.stop("gateway")
        started = time.perf_counter_ns()
        stack.start_gateway(wait=False)
        while True:
            try:
                client = Client(target)
                break
            except OSError:
                if stack.processes["gateway"].poll() is not None:
                    raise SystemExit("the gateway does not start again") from None
                time.sleep(0.0005)
        listening.append((time.perf_counter_ns() - started) / 1e6)
        client.get()
        taken.append((time.perf_counter_ns() - started) / 1e6)
        client.close()
        time.sleep(0.3)
    return {"first answer ms": spread(taken), "listening ms": spread(listening)}


def kept_answers(stack, targets, loads, options):
    """The same load once more with answers of the upstream kept in memory, as a share of what it costs without."""
    stack.stop("gateway")
    stack.keep_answers()
    stack.start_gateway()
    found = {}
    for name, load in loads.items():
        visits = [visit(stack, "gateway", targets[name], options) for _ in range(4)][1:]
        cpu = spread([visited["cpu us"] / load["gateway"]["cpu us"]["median"] for visited in visits])
        found[name] = {"cpu x without": cpu, "upstream calls": max(visited["upstream calls"] for visited in visits)}
    return found
