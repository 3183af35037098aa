"""What a decision costs: a search over a thousand resources by the person, and the same one, with the same answer, by
somebody who acts for them and is looked at item by item; before a thousand grants and before a million."""

import json
import random
import re
import sqlite3
import statistics
import subprocess
import sys
import time

import canned
import enrol
import measure
import scale
import servers

SIZES = (1_000, 1_000_000)
RESOURCES = 1_000
# At most so much of a request's processor time is the decision's; and so much more with a million grants in the store.
GOALS = {"share": 0.10, "grants": 1.25}
# A scope that leaves something out: every reference has to be looked up, and none leads to something withheld here.
SCOPE = {"level": "view", "sensitivity": {"all-but": ["HIV", "SUD"]}}
KEPT_SECONDS = 5
# Under callgrind as many as are answered before what may taint has to be read again.
COUNTED = 6


class Stack(servers.Stack):
    """The upstream has the visits that the observations belong to as well."""

    def bodies(self):
        found = super().bodies()
        patient = canned.patient_id("small", 0)
        visits = ",".join(
            '{"fullUrl":"%s/Encounter/enc-%d","resource":{"resourceType":"Encounter","id":"enc-%d","status":"finished",'
            '"class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"},"subject":{"reference":'
            '"Patient/%s"},"period":{"start":"2026-01-01","end":"2026-01-02"}},"search":{"mode":"match"}}'
            % (self.upstream_base(), number, number, patient) for number in range(9)
        )
        path = canned.UPSTREAM_PATHS["search 30 KB"].format(patient=patient).replace("/Observation?", "/Encounter?")
        found[path] = '{"resourceType":"Bundle","type":"searchset","entry":[%s]}' % visits
        return found


def stand(folder, options, grants, under=()):
    """A gateway over so many grants, and the question as the person and as the proxy put it."""
    folder.mkdir(mode=0o755)
    stack = Stack(folder, options)
    stack.under = list(under)
    stack.__enter__()
    try:
        enrolled = enrol.enrol(stack)
        person, proxy = enrolled["small"]
        db = sqlite3.connect(folder / "chartgate.db")
        account, = db.execute("SELECT id FROM accounts WHERE person_id = ?", (proxy["person"],)).fetchone()
        db.close()
        printed = stack.cli("account", "grant", account, person["person"], "--basis", "guardian-adult")
        stack.cli("consent", "scope", re.search(r"[0-9a-f-]{36}", printed)[0], json.dumps(SCOPE))
        db = sqlite3.connect(folder / "chartgate.db")
        # Let in for the other one's record, as the picker of a launch would have it.
        db.execute("UPDATE authorizations SET person_id = ? WHERE account_id = ?", (person["person"], account))
        db.commit()
        db.close()
        scale.fill(folder / "chartgate.db", enrolled["key"], grants)
        stack.start_gateway()
        path = f"/fhir/Observation?patient={person['person']}&_count=500&_total=accurate"
        asked = {who: [(path, {"Authorization": f"Bearer {of['token']}"})]
                 for who, of in (("person", person), ("proxy", proxy))}
        check(stack, asked)
    except BaseException:
        stack.__exit__()
        raise
    return stack, asked


def answer(stack, request):
    client = measure.Client((stack.ports["gateway"], request))
    bundle = json.loads(client.get())
    client.close()
    matches = [entry["resource"] for entry in bundle["entry"] if entry["search"]["mode"] == "match"]
    outcomes = [issue for entry in bundle["entry"] if entry["search"]["mode"] == "outcome"
                for issue in entry["resource"]["issue"]]
    return bundle["total"], matches, [issue["code"] for issue in outcomes]


def check(stack, asked):
    """Both see the same thousand; the proxy is told, as ever, that something may be left out."""
    own, other = (answer(stack, asked[who]) for who in ("person", "proxy"))
    if own[:2] != other[:2] or own[0] != RESOURCES or own[2] or other[2] != ["suppressed"]:
        sys.exit(f"consent: the answers are not the same: {own[0]} {own[2]}, {other[0]} {other[2]}")


def ask(stack, clients, times):
    """Processor time of a request by each, in milliseconds."""
    found = {}
    for who, client in clients.items():
        before = stack.cpu("gateway")
        for _ in range(times):
            client.get()
        # What a request leaves behind (the audit trail's insert) belongs to it.
        time.sleep(0.25)
        found[who] = (stack.cpu("gateway") - before) / times * 1e3
    return found


def instructions(stack, client, dumps, times):
    """Instructions in user space of a request, after one that is not counted."""
    client.get()
    control = ["callgrind_control", str(stack.processes["gateway"].pid)]
    subprocess.run([*control, "-z"], check=True, capture_output=True)
    began = time.monotonic()
    for _ in range(times):
        client.get()
    if time.monotonic() - began > KEPT_SECONDS - 1:
        sys.exit("consent: under callgrind the requests take so long that what is kept for them is read again")
    # What a request leaves behind belongs to it.
    time.sleep(1)
    before = set(dumps.glob("callgrind.*"))
    subprocess.run([*control, "-d"], check=True, capture_output=True)
    dump, = set(dumps.glob("callgrind.*")) - before
    return sum(map(int, re.findall(r"^(?:summary|totals): (\d+)", dump.read_text(), re.M)[:1])) / times


def counted(folder, options):
    """The same by instructions, which no neighbour moves: what HTTP, the database and the log need is in both."""
    dumps = folder / "dumps"
    dumps.mkdir()
    under = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={dumps}/callgrind"]
    stack, asked = stand(folder / "counted", options, SIZES[0], under)
    try:
        clients = {who: measure.Client((stack.ports["gateway"], request)) for who, request in asked.items()}
        rounds = [{who: instructions(stack, client, dumps, COUNTED) for who, client in clients.items()}
                  for _ in range(options.rounds)]
    finally:
        stack.__exit__()
    return {who: [min(of), statistics.median(of), max(of)]
            for who, of in ((who, [visit[who] for visit in rounds]) for who in ("person", "proxy"))}


def run(folder, options):
    random.seed(7)
    canned.PEOPLE.update(small=2, large=0)
    canned.ENTRIES["small"] = RESOURCES
    if options.instructions:
        return {"instructions": counted(folder, options)}
    times = max(20, options.pairs // 20)
    stacks, found = {}, {}
    try:
        for grants in SIZES:
            stacks[grants] = stand(folder / str(grants), options, grants)
            print(f"{grants} grants stand", file=sys.stderr)
        clients = {grants: {who: measure.Client((stack.ports["gateway"], request)) for who, request in asked.items()}
                   for grants, (stack, asked) in stacks.items()}
        rounds = {grants: [] for grants in SIZES}
        for number in range(options.rounds + 1):
            for grants in SIZES if number % 2 else SIZES[::-1]:
                visited = ask(stacks[grants][0], clients[grants], times)
                # The first round warms up.
                if number:
                    rounds[grants].append(visited)
        first = []
        for _ in range(options.rounds):
            time.sleep(KEPT_SECONDS + 0.5)
            first.append(ask(stacks[SIZES[0]][0], {"proxy": clients[SIZES[0]]["proxy"]}, 1)["proxy"])
        for grants, visits in rounds.items():
            found[grants] = {who: statistics.median(visit[who] for visit in visits) for who in ("person", "proxy")}
    finally:
        for stack, _ in stacks.values():
            stack.__exit__()
    small, large = (rounds[grants] for grants in SIZES)
    shares = [1 - visit["person"] / visit["proxy"] for visit in small + large]
    return {
        "requests": times * options.rounds,
        "cpu ms": found,
        "share": statistics.median(shares),
        "shares": [min(shares), max(shares)],
        "grants": statistics.median(b["proxy"] / a["proxy"] for a, b in zip(small, large)),
        "first ms": statistics.median(first),
    }


def share_of_instructions(found):
    return 1 - found["instructions"]["person"][1] / found["instructions"]["proxy"][1]


def markdown(found):
    if "instructions" in found:
        rows = [f"| {who} | {low:,.0f} | {median:,.0f} | {high:,.0f} |"
                for who, (low, median, high) in found["instructions"].items()]
        return ["", "| instructions of a search | least | median | most |", "|---|---|---|---|", *rows, "",
                f"{RESOURCES} resources: what a proxy's request costs more is {share_of_instructions(found):.1%} of it."]
    lines = ["", "| grants in the store | by the person, CPU ms | by a proxy, CPU ms |", "|---|---|---|"]
    lines += [f"| {grants:,} | {row['person']:.2f} | {row['proxy']:.2f} |" for grants, row in found["cpu ms"].items()]
    low, high = found["shares"]
    return [*lines, "", f"{RESOURCES} resources, {found['requests']} requests each: the decision is {found['share']:.1%} "
            f"({low:.1%} to {high:.1%}) of a proxy's request; a million grants against a thousand: "
            f"{found['grants']:.2f} x. A proxy's first request in {KEPT_SECONDS} seconds, which reads what may taint: "
            f"{found['first ms']:.1f} ms."]


def missed(found):
    lines = []
    if "instructions" in found:
        share = share_of_instructions(found)
        return [] if share <= GOALS["share"] else [f"the decision is {share:.1%} of a search's instructions"]
    if found["share"] > GOALS["share"]:
        lines.append(f"the decision is {found['share']:.1%} of a search's processor time, at most {GOALS['share']:.0%}")
    if found["grants"] > GOALS["grants"]:
        lines.append(f"a million grants: {found['grants']:.2f} x the processor time, at most {GOALS['grants']}")
    return lines
