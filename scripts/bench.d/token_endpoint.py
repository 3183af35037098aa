"""The token endpoint beside oidc-provider (npm), and what the check of a token costs (performance design, P13, P16, P17).

Both answer refreshes of one confidential client, which keeps its refresh token, for 32 people in turn. The gateway's
answer is durable: the token and its entry in the audit trail are synced to the disk before it leaves. The peer keeps
everything in memory. Neither signs anything: access tokens are opaque at both, and no id_token is asked for.
"""

import base64
import json
import os
import re
import secrets
import shutil
import subprocess
import time
import urllib.parse
from pathlib import Path

import enrol
import measure
import servers

ROOT = Path(__file__).resolve().parent.parent.parent
PEER = Path(__file__).resolve().parent / "token_peer"
NAME = "oidc-provider"
PEOPLE = 32
SCOPE = "launch/patient offline_access patient/*.rs"
# Keycloak's sizing guide: refreshes a second for each processor.
KEYCLOAK = 120
SHARE = "of the peer's CPU"
GOALS = {SHARE: 0.5, "times Keycloak": 8, "check us": 5}


def installed():
    """The peer's modules at their pinned versions, installed once below target/."""
    folder = ROOT / "target" / "bench-token-peer"
    lock = (PEER / "package-lock.json").read_bytes()
    marker = folder / "node_modules" / ".installed-lock"
    if not marker.exists() or marker.read_bytes() != lock:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(PEER / name, folder / name)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
        marker.write_bytes(lock)
    shutil.copy(PEER / "server.js", folder / "server.js")
    return folder


class Stack(servers.Stack):
    """The gateway and the peer: no upstream is asked."""

    def __enter__(self):
        self.configuration.write_text(servers.CONFIGURATION.format(port=self.ports["gateway"], folder=self.folder))
        return self

    def upstream_counts(self):
        return 0, 0

    def start_peer(self):
        folder = installed()
        self.ports[NAME] = servers.free_port()
        file = self.folder / "tokens.json"
        environment = {**os.environ, "NODE_ENV": "production"}
        with open(self.folder / "peer.log", "ab") as log:
            command = ["node", str(folder / "server.js"), str(self.ports[NAME]), str(PEOPLE), str(file)]
            self.processes[NAME] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        self.wait_for(NAME)
        return json.loads(file.read_text())


class Person(enrol.Browser):
    """Somebody who allows the app: the refresh token that it gets."""

    def refresh_token(self, authorization):
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(enrol.hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code", "client_id": "bench", "redirect_uri": enrol.REDIRECT, "scope": SCOPE,
            "state": secrets.token_urlsafe(8), "aud": f"{self.issuer}/fhir",
            "code_challenge": challenge, "code_challenge_method": "S256",
        }
        url, page = self.go(f"{self.issuer}/oauth/authorize?" + urllib.parse.urlencode(query))
        url, _ = self.submit(url, page, decision="allow")
        code = urllib.parse.parse_qs(urllib.parse.urlparse(url).query)["code"][0]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": enrol.REDIRECT, "code_verifier": verifier}
        data = urllib.parse.urlencode(form).encode()
        request = enrol.urllib.request.Request(f"{self.issuer}/oauth/token", data=data, headers=authorization)
        with enrol.urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["refresh_token"]


def basic(client, secret):
    return {"Authorization": "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()}


def requests(stack, target, authorization, tokens):
    """A refresh for each token, as `measure` sends them."""
    path = "/oauth/token" if target == "gateway" else "/token"
    headers = {**authorization, "Content-Type": "application/x-www-form-urlencoded"}
    bodies = [urllib.parse.urlencode({"grant_type": "refresh_token", "refresh_token": token}) for token in tokens]
    return stack.ports[target], [(path, headers, body) for body in bodies]


def enrolled(stack):
    """The gateway's side: a confidential app, and somebody who allowed it once for each refresh token."""
    stack.cli("master-key", str(stack.folder / "master.key"))
    printed = stack.cli(
        "client", "add", "--name", "Bench", "--id", "bench", "--redirect-uri", enrol.REDIRECT, "--confidential"
    )
    authorization = basic("bench", re.search(r"^client_secret (\S+)$", printed, re.M).group(1))
    password = secrets.token_urlsafe(24)
    (stack.folder / "password").write_text(password + "\n")
    stack.cli("account", "add", "ann", "--password-file", str(stack.folder / "password"))
    stack.start_gateway()
    person = Person(stack.issuer())
    url, page = person.go(f"{stack.issuer()}/sign-in")
    person.submit(url, page, username="ann", password=password)
    return requests(stack, "gateway", authorization, [person.refresh_token(authorization) for _ in range(PEOPLE)])


def check(target):
    """Each answer is a new access token, and another one each time."""
    port, asked = target
    seen = set()
    for path, headers, body in asked * 2:
        request = enrol.urllib.request.Request(f"http://localhost:{port}{path}", data=body.encode(), headers=headers)
        with enrol.urllib.request.urlopen(request, timeout=30) as answer:
            told = json.load(answer)
        if told["token_type"].lower() != "bearer" or not told["scope"]:
            raise SystemExit(f"no token answer: {sorted(told)}")
        seen.add(told["access_token"])
    if len(seen) != 2 * len(asked):
        raise SystemExit("a refresh brought a token that was there before")


def token_check():
    """What `cargo bench` finds: it needs no server."""
    command = ["cargo", "bench", "--locked", "--bench", "token_check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    found = re.search(r"^token check: ([\d.]+) us of processor time", done.stdout, re.M)
    if not found:
        raise SystemExit(f"cargo bench: {done.stderr[-2000:]}")
    return float(found.group(1))


def run(folder, options):
    with Stack(folder, options) as stack:
        targets = {"gateway": enrolled(stack)}
        told = stack.start_peer()
        targets[NAME] = requests(stack, NAME, basic(told["client"], told["secret"]), told["tokens"])
        for target in targets.values():
            check(target)
        # Node compiles what is hot first.
        for name, target in targets.items():
            measure.visit(stack, name, target, options)
        rounds = {name: [] for name in targets}
        for number in range(options.rounds):
            for name in list(targets)[:: 1 if number % 2 else -1]:
                rounds[name].append(measure.visit(stack, name, targets[name], options))
        many = measure.visit(stack, "gateway", targets["gateway"], options, connections=64)
        memory = {name: stack.memory(name)["VmHWM"] for name in targets}
        refused = stack.refused
    shares = [ours["cpu us"] / theirs["cpu us"] for ours, theirs in zip(rounds["gateway"], rounds[NAME])]
    found = {
        name: {"cpu us": measure.spread([v["cpu us"] for v in visits]),
               "per second": measure.spread([v["per second"] for v in visits])}
        for name, visits in rounds.items()
    }
    time.sleep(1)
    return {
        "load": found,
        "64 connections": {name: many[name] for name in ("cpu us", "per second")},
        "memory": memory,
        SHARE: measure.spread(shares),
        "times Keycloak": 1e6 / found["gateway"]["cpu us"]["median"] / KEYCLOAK,
        "check us": token_check(),
        "visits made again": refused,
    }


def markdown(found):
    lines = ["", "| target | CPU µs/refresh | refreshes/s, 8 connections | memory, MB |", "|---|---|---|---|"]
    for name, figures in found["load"].items():
        cpu, rate = figures["cpu us"], figures["per second"]
        lines.append(
            f"| {name} | {cpu['median']:.0f} ({cpu['min']:.0f}-{cpu['max']:.0f})"
            f" | {rate['median']:.0f} ({rate['min']:.0f}-{rate['max']:.0f}) | {found['memory'][name]} |"
        )
    share, many = found[SHARE], found["64 connections"]
    return [
        *lines, "",
        f"Of the peer's CPU: {share['median']:.2f} ({share['min']:.2f}-{share['max']:.2f}), at most {GOALS[SHARE]}.",
        f"Times Keycloak's {KEYCLOAK} refreshes a second for each processor: {found['times Keycloak']:.1f},"
        f" at least {GOALS['times Keycloak']}.",
        f"With 64 connections: {many['per second']:.0f} durable refreshes a second, {many['cpu us']:.0f} µs each.",
        f"Check of a token that was seen before: {found['check us']:.2f} µs, at most {GOALS['check us']}.",
    ]


def missed(found):
    lines = []
    if found[SHARE]["median"] > GOALS[SHARE]:
        lines.append(f"token endpoint: {found[SHARE]['median']:.2f} of the peer's CPU")
    if found["times Keycloak"] < GOALS["times Keycloak"]:
        lines.append(f"token endpoint: {found['times Keycloak']:.1f} times Keycloak's refreshes")
    if found["check us"] > GOALS["check us"]:
        lines.append(f"token check: {found['check us']:.2f} µs")
    return lines
