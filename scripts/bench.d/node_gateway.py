"""Another SMART gateway beside ours: FHIR Works' router on Node, before the same upstream (performance design, P5)."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import canned
import identity
import measure
import servers

PEER = Path(__file__).resolve().parent / "peer"
NAME = "node gateway"
WORKLOADS = ("read Patient", "search 30 KB")
# How much less than the peer ours may cost at most: processor time, and memory after the load.
GOALS = {"cpu": 1 / 8, "memory": 1 / 4}


def installed(root):
    """The peer's modules at their pinned versions, installed once below target/."""
    folder = root / "target" / "bench-peer"
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


def start(stack, root):
    folder = installed(root)
    stack.ports[NAME] = servers.free_port()
    patients = [canned.patient_id("small", person) for person in range(canned.PEOPLE["small"])]
    (stack.folder / "patients.json").write_text(json.dumps(patients))
    command = ["node", str(folder / "server.js"), str(stack.ports[NAME]), stack.upstream_base()]
    command += [str(stack.folder / "patients.json"), str(stack.folder / "tokens.json")]
    environment = {**os.environ, "NODE_ENV": "production"}
    with open(stack.folder / "peer.log", "ab") as log:
        stack.processes[NAME] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    stack.wait_for(NAME)
    return json.loads((stack.folder / "tokens.json").read_text())


def requests(stack, tokens, workload):
    """The peer knows the upstream's ids, and passes the query on as it is."""
    path = {
        "read Patient": "/Patient/{patient}",
        "search 30 KB": "/Observation?patient=Patient%2F{patient}&_count=200",
    }[workload]
    asked = [(path.format(patient=patient), {"Authorization": f"Bearer {token}"}) for patient, token in tokens.items()]
    return stack.ports[NAME], asked


def check(stack, targets, workload):
    """It builds JSON anew: its resources are the upstream's as values."""
    peer, direct = (measure.Client(targets[target][workload]) for target in (NAME, "direct"))
    for _ in range(canned.PEOPLE["small"]):
        given, wanted = json.loads(peer.get()), json.loads(direct.get())
        if workload.startswith("search"):
            given, wanted = ([entry["resource"] for entry in bundle["entry"]] for bundle in (given, wanted))
        if given != wanted or not wanted:
            raise SystemExit(f"{workload}: the peer's answer is not the upstream's")
    peer.close()
    direct.close()


def run(stack, enrolled, targets, options, root):
    tokens = start(stack, root)
    targets[NAME] = {workload: requests(stack, tokens, workload) for workload in WORKLOADS}
    for workload in WORKLOADS:
        identity.check(workload, {name: targets[name] for name in ("direct", "nginx", "gateway")}, stack, enrolled)
        check(stack, targets, workload)
        # Node compiles what is hot first.
        measure.visit(stack, NAME, targets[NAME][workload], options)
    loads = {workload: measure.load(stack, targets, workload, options) for workload in WORKLOADS}
    memory = {name: stack.memory(name) for name in ("gateway", NAME)}
    found = {"load": loads, "memory": memory, "share of memory": memory["gateway"]["VmHWM"] / memory[NAME]["VmHWM"]}
    found["share of CPU"] = {
        workload: {
            "median": load["gateway"]["cpu us"]["median"] / load[NAME]["cpu us"]["median"],
        }
        for workload, load in loads.items()
    }
    return found


def markdown(found):
    lines = ["", "| workload | target | CPU µs/request | requests/s | of the peer's CPU |", "|---|---|---|---|---|"]
    for workload, load in found["load"].items():
        for target, figures in load.items():
            share = f"{found['share of CPU'][workload]['median']:.3f}" if target == "gateway" else ""
            cpu, rate = figures["cpu us"], figures["per second"]
            lines.append(
                f"| {workload} | {target} | {cpu['median']:.1f} ({cpu['min']:.1f}-{cpu['max']:.1f})"
                f" | {rate['median']:.0f} | {share} |"
            )
    memory = ", ".join(f"{name} {values['VmHWM']} MB" for name, values in found["memory"].items())
    return [*lines, "", f"Memory at most: {memory}; {found['share of memory']:.2f} of the peer's."]


def missed(found):
    lines = []
    for workload, share in found["share of CPU"].items():
        if workload == "search 30 KB" and share["median"] > GOALS["cpu"]:
            lines.append(f"{workload}: {share['median']:.3f} of the peer's CPU, at most {GOALS['cpu']:.3f}")
    if found["share of memory"] > GOALS["memory"]:
        lines.append(f"memory: {found['share of memory']:.2f} of the peer's, at most {GOALS['memory']}")
    return lines
