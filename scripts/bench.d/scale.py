"""A whole request with a million rows of each kind against one with a thousand (performance design, P15): two gateways at
the same time before the same upstream, asked in turn by callers drawn from all of the rows."""

import hashlib
import base64
import random
import sqlite3
import statistics
import sys
import time
import uuid

import canned
import enrol
import identity
import measure
import servers

SIZES = (1_000, 1_000_000)
GOALS = {"cpu": 1.25, "p99": 1.5, "memory MB": 64}
BATCH = 10_000


def token(number):
    bits = hashlib.sha256(f"caller {number}".encode()).digest()
    return "cgat_" + base64.urlsafe_b64encode(bits).decode().rstrip("=")


def fill(database, key, rows):
    """Rows like those of the enrolled person: each account has its own record and a grant for its neighbour's. The ids of
    the persons."""
    db = sqlite3.connect(database)
    db.execute("PRAGMA synchronous=OFF")
    # Ids are random: pages of the indexes that do not fit are read and written a million times.
    db.execute("PRAGMA cache_size=-1000000")
    tables = {}
    for table in ("persons", "accounts", "links", "authorizations", "access_tokens"):
        names = [column[1] for column in db.execute(f"PRAGMA table_info({table})")]
        tables[table] = names, dict(zip(names, db.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()))
    ids = [[str(uuid.UUID(int=random.getrandbits(128), version=4)) for _ in range(rows)] for _ in range(5)]
    persons, accounts, links, grants, authorizations = ids

    def insert(table, change):
        names, pattern = tables[table]
        text = f"INSERT INTO {table} VALUES ({','.join('?' * len(names))})"
        for start in range(0, rows, BATCH):
            numbers = range(start, min(rows, start + BATCH))
            changed = ({**pattern, **change(number)} for number in numbers)
            db.executemany(text, ([row[name] for name in names] for row in changed))

    insert("persons", lambda n: {"id": persons[n]})
    insert("accounts", lambda n: {"id": accounts[n], "username": f"u{n}", "username_folded": f"u{n}",
                                  "person_id": persons[n]})
    insert("links", lambda n: {"id": links[n], "person_id": persons[n], "source_key": key, "patient": f"scale-{n}"})
    started = tables["authorizations"][1]["created"]
    db.executemany(
        "INSERT INTO grants (id, account_id, person_id, basis, valid_from, evidence, created, state) "
        "VALUES (?, ?, ?, 'parent', ?, 'none', ?, 'active')",
        ((grants[n], accounts[n], persons[(n + 1) % rows], started, started) for n in range(rows)),
    )
    # Every other token is for the neighbour's record, by the grant.
    insert("authorizations", lambda n: {"id": authorizations[n], "account_id": accounts[n],
                                        "person_id": persons[(n + n % 2) % rows], "revoked": None})
    insert("access_tokens", lambda n: {"hash": hashlib.sha256(token(n).encode()).digest(), "refresh_hash": None,
                                       "authorization_id": authorizations[n]})
    db.commit()
    db.execute("ANALYZE")
    db.commit()
    db.close()
    return persons


class Drawn:
    """Callers of one size: half of them from all rows alike, half as often as people ask (Zipf), and whose record each
    token is for."""

    def __init__(self, rows, many):
        weighted = [min(rows - 1, int(rows ** random.random()) - 1) for _ in range(many // 2)]
        alike = [random.randrange(rows) for _ in range(many - len(weighted))]
        drawn = weighted + alike
        random.shuffle(drawn)
        self.callers = drawn
        self.rows = rows

    def record(self, caller):
        return (caller + caller % 2) % self.rows


class Stack(servers.Stack):
    """The upstream has the records of those who were drawn as well."""

    drawn = None

    def bodies(self):
        found = super().bodies()
        small, canned_id = "small", canned.patient_id
        for record in sorted({self.drawn.record(caller) for caller in self.drawn.callers}):
            patient = f"scale-{record}"
            canned.patient_id = lambda *_, patient=patient: patient
            path = canned.UPSTREAM_PATHS["search 30 KB"].format(patient=patient)
            found[path] = canned.searchset(small, 0, self.upstream_base())
        canned.patient_id = canned_id
        return found


def stand(folder, options, rows, callers):
    """A gateway over so many rows, and the requests of the callers that were drawn."""
    folder.mkdir(mode=0o755)
    stack = Stack(folder, options)
    stack.drawn = Drawn(rows, callers)
    stack.__enter__()
    try:
        enrolled = enrol.enrol(stack)
        persons = fill(folder / "chartgate.db", enrolled["key"], rows)
        stack.start_gateway()
        check(stack, persons, enrolled["key"])
    except BaseException:
        stack.__exit__()
        raise
    return stack, [request(stack, persons, caller) for caller in stack.drawn.callers]


def request(stack, persons, caller):
    person = persons[stack.drawn.record(caller)]
    return f"/fhir/Observation?patient={person}", {"Authorization": f"Bearer {token(caller)}"}


def check(stack, persons, key):
    """Some of them get what the upstream has of them, byte by byte but for ids and references."""
    bodies = stack.bodies()
    for caller in stack.drawn.callers[:20]:
        record = stack.drawn.record(caller)
        client = measure.Client((stack.ports["gateway"], [request(stack, persons, caller)]))
        text = client.get().decode()
        client.close()
        own = identity.Own(key, f"scale-{record}", persons[record])
        body = bodies[canned.UPSTREAM_PATHS["search 30 KB"].format(patient=f"scale-{record}")]
        wanted = sorted(own.rewritten(resource) for resource in identity.entries(body))
        identity.expect("scale", wanted, sorted(identity.entries(text)))
    # What was asked for the check was seen: the process begins anew.
    stack.stop("gateway")
    stack.start_gateway()


def ask_all(stacks, requests, rounds):
    """Every caller once a round, one of each gateway in turn: processor time for each request, and latencies."""
    clients = {rows: measure.Client((stack.ports["gateway"], requests[rows])) for rows, stack in stacks.items()}
    found = []
    for number in range(rounds):
        times = {rows: [] for rows in stacks}
        before = {rows: stack.cpu("gateway") for rows, stack in stacks.items()}
        for turn in range(len(requests[SIZES[0]])):
            for rows in list(clients) if turn % 2 else list(clients)[::-1]:
                started = time.perf_counter_ns()
                clients[rows].get()
                times[rows].append((time.perf_counter_ns() - started) / 1e6)
        time.sleep(0.25)
        found.append({
            rows: {
                "cpu us": (stack.cpu("gateway") - before[rows]) / len(times[rows]) * 1e6,
                "p50 ms": measure.quantile(times[rows], 0.5),
                "p99 ms": measure.quantile(times[rows], 0.99),
            }
            for rows, stack in stacks.items()
        })
    for client in clients.values():
        client.close()
    return found


def run(folder, options):
    random.seed(7)
    canned.PEOPLE.update(small=1, large=0)
    callers = max(500, options.pairs * 2)
    stacks, requests = {}, {}
    try:
        for rows in SIZES:
            stacks[rows], requests[rows] = stand(folder / str(rows), options, rows, callers)
            print(f"{rows} rows stand", file=sys.stderr)
        idle = {rows: stack.memory("gateway")["VmRSS"] for rows, stack in stacks.items()}
        rounds = ask_all(stacks, requests, options.rounds + 1)
        memory = {rows: stack.memory("gateway")["VmRSS"] for rows, stack in stacks.items()}
        sizes = {rows: (stack.folder / "chartgate.db").stat().st_size / 1e6 for rows, stack in stacks.items()}
    finally:
        for stack in stacks.values():
            stack.__exit__()
    small, large = SIZES
    cold, warm = rounds[0], rounds[1:]

    def ratio(of, what):
        return of[large][what] / of[small][what]

    return {
        "callers": callers,
        "not seen before": cold,
        "seen before": {
            rows: {what: statistics.median(one[rows][what] for one in warm) for what in warm[0][rows]} for rows in SIZES
        },
        "ratios": {
            "not seen before": {"cpu": ratio(cold, "cpu us"), "p99": ratio(cold, "p99 ms")},
            "seen before": {
                "cpu": statistics.median(ratio(one, "cpu us") for one in warm),
                "p99": statistics.median(ratio(one, "p99 ms") for one in warm),
            },
        },
        "idle MB": idle,
        "memory MB": memory,
        "file MB": sizes,
    }


def markdown(found):
    lines = ["", "| rows of each kind | token | CPU µs/request | p50 ms | p99 ms | VmRSS idle, after, MB | file, MB |",
             "|---|---|---|---|---|---|---|"]
    for when in ("not seen before", "seen before"):
        for rows in SIZES:
            row = found[when][rows]
            lines.append(f"| {rows:,} | {when} | {row['cpu us']:.0f} | {row['p50 ms']:.2f} | {row['p99 ms']:.2f} | "
                         f"{found['idle MB'][rows]}, {found['memory MB'][rows]} | {found['file MB'][rows]:.0f} |")
    said = [f"{when}: CPU {row['cpu']:.2f} x, p99 {row['p99']:.2f} x" for when, row in found["ratios"].items()]
    return [*lines, "", f"{found['callers']} callers; a million rows against a thousand: " + "; ".join(said) + "."]


def missed(found):
    lines = []
    for when, row in found["ratios"].items():
        for what in ("cpu", "p99"):
            if row[what] > GOALS[what]:
                lines.append(f"a million rows, token {when}: {row[what]:.2f} x the {what}, at most {GOALS[what]}")
    growth = found["memory MB"][SIZES[1]] - found["memory MB"][SIZES[0]]
    if growth > GOALS["memory MB"]:
        lines.append(f"a million rows: {growth:.0f} MB more memory, at most {GOALS['memory MB']}")
    return lines
