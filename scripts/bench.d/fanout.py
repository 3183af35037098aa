"""One question to several EHRs (performance design, P9 to P11): how much longer than the slowest it takes, with all of
them well, with one that is slow, hangs or is gone, and how much memory it needs."""

import http.client
import json
import re
import secrets
import statistics
import subprocess
import sys
import time
from pathlib import Path

import canned
import enrol
import identity
import measure
import servers

MEMBERS = 8
WAIT_MS = 5
DEADLINE_MS = 1_000
# Members: how many times the slowest member's time the answer may take.
LATENCY_GOALS = {2: 1.15, 4: 1.20, 8: 1.35}
LARGE_GOAL = 1.8
DEADLINE_GOAL = 1.05
# People whose charts are at all members, for the memory: each asks for what nobody else does.
CROWD = 8
# The largest page there is: so many resources in all, and larger ones where a member is to send 300 KB.
PAGE = 1_000
canned.ENTRIES["large"] = PAGE // MEMBERS
# A request holds its members' pages, and so much besides.
BESIDES_MB = 4

CONFIGURATION = servers.CONFIGURATION + f"""source_deadline_ms = {DEADLINE_MS}
max_count = {PAGE}
"""


class Stack(servers.Stack):
    """The members and the gateway before them."""

    def start_nginx(self):
        self.members = [servers.free_port() for _ in range(MEMBERS)]
        bodies = {}
        for member, port in enumerate(self.members):
            files = bodies[port] = {}
            for size, person in people(member):
                file = self.folder / f"{member}-{size}-{person}.json"
                file.write_text(searchset(size, person, self.base(member)))
                names = {"patient": canned.patient_id(size, person)}
                files[canned.UPSTREAM_PATHS["search 30 KB"].format(**names)] = str(file)
        plan = self.folder / "plan.json"
        plan.write_text(json.dumps({"ports": self.members, "milliseconds": WAIT_MS, "bodies": bodies}))
        self.ports["upstream"] = self.members[-1]
        command = [sys.executable, str(Path(__file__).parent / "members.py"), str(plan)]
        self.processes["upstream"] = subprocess.Popen(command)
        self.wait_for("upstream")
        self.configuration.write_text(CONFIGURATION.format(port=self.ports["gateway"], folder=self.folder))

    def base(self, member):
        return f"http://127.0.0.1:{self.members[member]}/fhir"

    def ask(self, member, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.members[member], timeout=10)
        connection.request("GET", path)
        text = connection.getresponse().read().decode()
        connection.close()
        return text

    def wait(self, member, milliseconds):
        self.ask(member, f"/control?wait={milliseconds}")

    def upstream_counts(self):
        return 0, sum(self.asked())

    def asked(self):
        return [int(self.ask(member, "/count")) for member in range(MEMBERS)]


def searchset(size, person, base):
    text = canned.searchset(size, person, base)
    note = '"note":[{"text":"%s"}],' % ("Taken fasting, repeated after a quarter of an hour. " * 23)
    return text.replace('"referenceRange":', note + '"referenceRange":') if size == "large" else text


def people(member):
    """Whose charts a member has. The small ones: person N is at the first N members."""
    yield from (("small", many) for many in (1, 2, 4, 8) if member < many)
    yield from (("large", person) for person in range(CROWD))


def enrolled(stack):
    """A token for each person, and the members' keys."""
    cli = stack.cli
    cli("master-key", str(stack.folder / "master.key"))
    keys = [
        cli("source", "add", "--organization", f"Practice {member}", "--name", f"EHR {member}", "--base-url",
            stack.base(member), "--private-address", "127.0.0.0/8")
        for member in range(MEMBERS)
    ]
    cli("client", "add", "--name", "Bench", "--id", "bench", "--redirect-uri", enrol.REDIRECT)
    password = secrets.token_urlsafe(24)
    (stack.folder / "password").write_text(password + "\n")
    found = {}
    for size, person in people(0):
        name = f"{size}{person}"
        printed = cli("account", "add", name, "--password-file", str(stack.folder / "password"))
        found[size, person] = {"person": re.search(r"^person (\S+)$", printed, re.M).group(1)}
    for member, key in enumerate(keys):
        for size, person in people(member):
            cli("link", "add", found[size, person]["person"], key, canned.patient_id(size, person))
    stack.start_gateway()
    for (size, person), one in found.items():
        one["token"] = enrol.Browser(stack.issuer()).token(f"{size}{person}", password)
    return found, keys


def asking(stack, who):
    path = f"/fhir/Observation?patient={who['person']}&_count={PAGE}"
    return stack.ports["gateway"], [(path, {"Authorization": f"Bearer {who['token']}"})]


def direct(stack, size, person, member=0):
    path = canned.UPSTREAM_PATHS["search 30 KB"].format(patient=canned.patient_id(size, person))
    return stack.members[member], [(path, {})]


def matches(text):
    bundle = json.loads(text)
    outcomes = [entry["resource"] for entry in bundle["entry"] if entry["search"]["mode"] == "outcome"]
    return [issue["details"]["text"] for outcome in outcomes for issue in outcome["issue"]]


def check(stack, keys, size, person, who, many):
    """Every member's resources, byte by byte but for ids and references, and no word of anything missing."""
    before = stack.asked()
    client = measure.Client(asking(stack, who))
    text = client.get().decode()
    client.close()
    wanted = []
    for member in range(many):
        own = identity.Own(keys[member], canned.patient_id(size, person), who["person"])
        theirs = identity.entries(searchset(size, person, stack.base(member)))
        wanted += [own.rewritten(resource) for resource in theirs]
    identity.expect(f"fan-out over {many}", sorted(wanted), sorted(identity.entries(text)))
    calls = [after - was for was, after in zip(before, stack.asked())]
    if calls != [1] * many + [0] * (MEMBERS - many):
        raise SystemExit(f"fan-out over {many}: calls to the members {calls}")


def paired(stack, who, upstream, pairs):
    """Interleaved single requests: the gateway's times and one member's own."""
    clients = {"gateway": measure.Client(asking(stack, who)), "slowest": measure.Client(upstream)}
    times = {name: [] for name in clients}
    for number in range(pairs + 20):
        for name in list(clients) if number % 2 else list(clients)[::-1]:
            started = time.perf_counter_ns()
            clients[name].get()
            if number >= 20:
                times[name].append((time.perf_counter_ns() - started) / 1e6)
    for client in clients.values():
        client.close()
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    return {
        "gateway p50 ms": medians["gateway"], "gateway p99 ms": measure.quantile(times["gateway"], 0.99),
        "slowest p50 ms": medians["slowest"], "x slowest": medians["gateway"] / medians["slowest"],
    }


def one_is_ill(stack, who):
    """The last of eight is slow, hangs, or is gone: when the answer comes, and what it says."""
    client = measure.Client(asking(stack, who))

    def ask(many):
        taken = []
        for _ in range(many):
            started = time.perf_counter_ns()
            text = client.get().decode()
            taken.append((time.perf_counter_ns() - started) / 1e6)
        said = matches(text)
        return {"answers": many, "p50 ms": statistics.median(taken), "max ms": max(taken), "says": said,
                "resources": len(identity.entries(text)) - (1 if said else 0)}

    last = MEMBERS - 1
    stack.wait(last, WAIT_MS * 10)
    found = {"10 x slower": ask(30)}
    stack.wait(last, -1)
    # As long as it is still asked: after five failures it is left alone.
    found["hangs"] = ask(3)
    ask(4)
    found["hangs, left alone"] = ask(30)
    stack.wait(last, WAIT_MS)
    for _ in range(600):
        if not ask(1)["says"]:
            break
        time.sleep(0.1)
    stack.ask(last - 1, "/control?gone")
    found["is gone"] = ask(3)
    ask(4)
    found["is gone, left alone"] = ask(30)
    return found


def memory(stack, crowd, options):
    """As many requests at once as there are people in the crowd, each for 8 x 300 KB."""
    requests = [request for who in crowd for request in asking(stack, who)[1]]
    stack.stop("gateway")
    stack.start_gateway()
    client = measure.Client((stack.ports["gateway"], requests[:1]))
    client.get()
    client.close()
    before = stack.memory("gateway")["VmHWM"]
    options = type("Options", (), {**vars(options), "seconds": max(options.seconds, 3)})
    measure.visit(stack, "gateway", (stack.ports["gateway"], requests), options, connections=CROWD)
    after = stack.memory("gateway")["VmHWM"]
    pages = MEMBERS * len(searchset("large", 0, stack.base(0))) / 1e6
    return {"at once": CROWD, "before MB": before, "at most MB": after, "MB for each": (after - before) / CROWD,
            "pages MB": pages}


def run(folder, options):
    figures = {}
    with Stack(folder, options) as stack:
        found, keys = enrolled(stack)
        for many in (1, 2, 4, 8):
            check(stack, keys, "small", many, found["small", many], many)
        check(stack, keys, "large", 0, found["large", 0], MEMBERS)
        print("every member's resources are there, byte by byte but for ids and references", file=sys.stderr)
        figures["members"] = {
            many: paired(stack, found["small", many], direct(stack, "small", many), options.pairs)
            for many in (1, 2, 4, 8)
        }
        figures["8 x 300 KB"] = paired(
            stack, found["large", 0], direct(stack, "large", 0), max(50, options.pairs // 5)
        )
        figures["memory"] = memory(stack, [found["large", person] for person in range(CROWD)], options)
        figures["one is ill"] = one_is_ill(stack, found["small", 8])
    return figures


def markdown(found):
    lines = ["", "| members | p50 ms | p99 ms | slowest member p50 ms | x slowest |", "|---|---|---|---|---|"]
    rows = {**{f"{many} x 30 KB": row for many, row in found["members"].items()}, "8 x 300 KB": found["8 x 300 KB"]}
    for name, row in rows.items():
        lines.append(f"| {name} | {row['gateway p50 ms']:.2f} | {row['gateway p99 ms']:.2f} | "
                     f"{row['slowest p50 ms']:.2f} | {row['x slowest']:.2f} |")
    lines += ["", f"| one of eight (deadline {DEADLINE_MS} ms) | p50 ms | max ms | resources of 200 | says |", "|---|---|---|---|---|"]
    for name, row in found["one is ill"].items():
        lines.append(f"| {name} | {row['p50 ms']:.1f} | {row['max ms']:.1f} | {row['resources']} | {'; '.join(row['says'])} |")
    memory = found["memory"]
    return [*lines, "", f"Memory, {memory['at once']} requests for 8 x 300 KB at once: from {memory['before MB']} to at most "
            f"{memory['at most MB']} MB, {memory['MB for each']:.1f} MB for each, whose pages are {memory['pages MB']:.1f} MB."]


def missed(found):
    lines = []
    for many, goal in LATENCY_GOALS.items():
        ratio = found["members"][many]["x slowest"]
        if ratio > goal:
            lines.append(f"fan-out over {many}: {ratio:.2f} x the slowest, at most {goal}")
    if found["8 x 300 KB"]["x slowest"] > LARGE_GOAL:
        lines.append(f"fan-out, 8 x 300 KB: {found['8 x 300 KB']['x slowest']:.2f} x the slowest, at most {LARGE_GOAL}")
    ill = found["one is ill"]
    for kind in ("hangs", "hangs, left alone", "is gone", "is gone, left alone"):
        said, name = ill[kind]["says"], f"Practice {MEMBERS - (1 if kind.startswith('hangs') else 2)} "
        if len(said) != 1 or not said[0].startswith(name) or ill[kind]["resources"] != 175:
            lines.append(f"fan-out, one {kind}: {ill[kind]['resources']} of 175 resources, says {said}")
        if ill[kind]["max ms"] > DEADLINE_MS * DEADLINE_GOAL:
            lines.append(f"fan-out, one {kind}: {ill[kind]['max ms']:.0f} ms, by {DEADLINE_MS * DEADLINE_GOAL:.0f} ms")
    if ill["10 x slower"]["says"] or ill["10 x slower"]["resources"] != 200:
        lines.append(f"fan-out, one 10 x slower: {ill['10 x slower']}")
    memory = found["memory"]
    if memory["MB for each"] > memory["pages MB"] + BESIDES_MB:
        lines.append(f"fan-out: {memory['MB for each']:.1f} MB a request, at most {memory['pages MB'] + BESIDES_MB:.1f}")
    return lines
