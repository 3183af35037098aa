"""EHRs that answer after a fixed time: one process, a port for each, canned bodies.

    members.py PLAN.json

PLAN.json: {"ports": [...], "milliseconds": 5, "bodies": {"PORT": {"/path?query": FILE}}}. Other paths are 404.
`GET /control?wait=MS` changes a port's time (-1: it takes requests and never answers), `GET /control?gone` closes the port
and every connection to it, `GET /count` tells its requests.
"""

import heapq
import json
import select
import socket
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

HEAD = "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"


def answer(body, status="200 OK", kind="application/fhir+json"):
    return HEAD.format(status=status, kind=kind, length=len(body)).encode() + body


class Member:
    def __init__(self, port, milliseconds, files):
        self.wait, self.count, self.is_gone = milliseconds / 1e3, 0, False
        self.answers = {path: answer(Path(file).read_bytes()) for path, file in files.items()}
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(512)

    def take(self, path):
        """The answer, and after how long; None for never."""
        url = urlsplit(path)
        if url.path == "/control" and url.query == "gone":
            self.is_gone = True
            return answer(b"", kind="text/plain"), 0
        if url.path == "/control":
            self.wait = float(parse_qs(url.query)["wait"][0]) / 1e3
            return answer(b"", kind="text/plain"), 0
        if url.path == "/count":
            return answer(str(self.count).encode(), kind="text/plain"), 0
        self.count += 1
        if self.wait < 0:
            return None, 0
        return self.answers.get(path) or answer(b"{}", "404 Not Found"), self.wait


class Connection:
    def __init__(self, stream, member):
        self.stream, self.member, self.received, self.to_send = stream, member, b"", b""
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        stream.setblocking(False)


def serve(members):
    poll = select.epoll()
    at = {}
    for member in members:
        poll.register(member.listener.fileno(), select.EPOLLIN)
        at[member.listener.fileno()] = member
    due, number = [], 0
    clock = time.monotonic
    while True:
        # epoll counts whole milliseconds: the last one is waited for with select, which counts finer.
        left = due[0][0] - clock() if due else 60
        if 0 < left < 0.0015:
            select.select([poll.fileno()], [], [], left)
            left = 0
        for descriptor, events in poll.poll(max(0, left - 0.001) if due else 60):
            owner = at[descriptor]
            if isinstance(owner, Member):
                stream, _ = owner.listener.accept()
                at[stream.fileno()] = Connection(stream, owner)
                poll.register(stream.fileno(), select.EPOLLIN)
                continue
            if events & select.EPOLLOUT:
                send(poll, owner)
            if not events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                continue
            try:
                piece = owner.stream.recv(65536)
            except OSError:
                piece = b""
            if not piece:
                poll.unregister(descriptor)
                del at[descriptor]
                owner.stream.close()
                continue
            owner.received += piece
            while (end := owner.received.find(b"\r\n\r\n")) >= 0:
                path = owner.received.split(b" ", 2)[1].decode()
                owner.received = owner.received[end + 4 :]
                said, wait = owner.member.take(path)
                if said is not None:
                    number += 1
                    heapq.heappush(due, (clock() + wait, number, owner, said))
        while due and due[0][0] <= clock():
            _, _, owner, said = heapq.heappop(due)
            if owner.stream.fileno() >= 0:
                owner.to_send += said
                send(poll, owner)
            if owner.member.is_gone:
                close(poll, at, owner.member)


def close(poll, at, member):
    """The port, and every connection to it."""
    for descriptor, owner in list(at.items()):
        if owner is member or getattr(owner, "member", None) is member:
            poll.unregister(descriptor)
            del at[descriptor]
            (member.listener if owner is member else owner.stream).close()


def send(poll, owner):
    try:
        sent = owner.stream.send(owner.to_send)
    except BlockingIOError:
        sent = 0
    except OSError:
        owner.to_send = b""
        return
    owner.to_send = owner.to_send[sent:]
    poll.modify(owner.stream.fileno(), select.EPOLLIN | (select.EPOLLOUT if owner.to_send else 0))


def main():
    plan = json.loads(Path(sys.argv[1]).read_text())
    serve([Member(port, plan["milliseconds"], plan["bodies"].get(str(port), {})) for port in plan["ports"]])


if __name__ == "__main__":
    main()
