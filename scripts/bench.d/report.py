"""Figures as Markdown, and which goals they miss."""

import datetime
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

# Workload: CPU per request, as a multiple of nginx's.
CPU_GOALS = {"read Patient": 3.0, "search 30 KB": 6.0}
IDLE_MB = 32
# From 64 connections, searches of 30 KB.
LOAD_MB = 96
COLD_MS = 150


def machine(options):
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    version = subprocess.run([options.binary, "--version"], capture_output=True, text=True).stdout.strip()
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "command": "scripts/bench " + " ".join(sys.argv[1:]),
        "program": f"{version}, {round(os.path.getsize(options.binary) / 1e6, 1)} MB",
        "processor": f"{os.cpu_count()} x {model.group(1) if model else platform.machine()}",
        "kernel": platform.release(),
        "load before": [round(load, 2) for load in os.getloadavg()],
    }


def of(values, digits=2):
    return f"{values['median']:.{digits}f} ({values['min']:.{digits}f}-{values['max']:.{digits}f})"


def row(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def table(*heads):
    return ["", row(*heads), "|" + "---|" * len(heads)]


def head(figures):
    return [f"- {name}: {value}" for name, value in figures["machine"].items()]


def markdown(figures):
    lines = head(figures)
    heads = ("workload", "target", "CPU µs/request", "x nginx", "requests/s", "x nginx", "upstream calls/request")
    lines += table(*heads)
    for workload, targets in figures["load"].items():
        for target, found in targets.items():
            cpu, throughput = (of(found[key]) if key in found else "" for key in ("cpu x nginx", "throughput x nginx"))
            calls = found.get("upstream calls per request", "")
            per_second = of(found["per second"], 0)
            lines.append(row(workload, target, of(found["cpu us"], 1), cpu, per_second, throughput, calls))
    lines += table("workload", "target", "p50 ms", "p99 ms", "added p50", "added p99")
    for workload, targets in figures["latency"].items():
        for target, found in targets.items():
            keys = ("p50 ms", "p99 ms", "added p50 ms", "added p99 ms")
            lines.append(row(workload, target, *(found.get(key, "") for key in keys)))
    lines += table("memory, MB", "VmRSS", "VmHWM")
    lines += [row(when, found["VmRSS"], found["VmHWM"]) for when, found in figures["memory"].items()]
    first, listening = (of(figures["cold start"][key], 0) for key in ("first answer ms", "listening ms"))
    lines += ["", f"Cold start to the first answer {first} ms, listening after {listening} ms."]
    for workload, found in figures["kept answers"].items():
        share, calls = of(found["cpu x without"]), found["upstream calls"]
        lines += [f"With kept answers, {workload}: {share} of the CPU without, {calls} upstream calls for each request."]
    counted = [f"{name} {found['upstream calls']} of {found['requests']}" for name, found in calls_of(figures)]
    lines += ["Upstream calls, one request after the other: " + ", ".join(counted) + "."]
    again = ", ".join(figures["visits made again"]) or "none"
    lines += [f"Visits made again for answers other than 200: {again}."]
    return "\n".join(lines)


def calls_of(figures):
    return figures["upstream calls"].items()


def missed(figures):
    found = []
    for workload, goal in CPU_GOALS.items():
        if workload in figures["load"]:
            ratio = figures["load"][workload]["gateway"]["cpu x nginx"]["median"]
            if ratio > goal:
                found.append(f"{workload}: {ratio:.2f} x nginx's CPU, at most {goal}")
    for workload, counted in calls_of(figures):
        if counted["upstream calls"] != counted["requests"]:
            found.append(f"{workload}: {counted['upstream calls']} upstream calls for {counted['requests']} requests")
    memory = figures["memory"]
    idle = memory["idle, nothing asked"]["VmRSS"]
    most = max(found["VmHWM"] for when, found in memory.items() if not when.startswith("nginx"))
    if idle >= IDLE_MB:
        found.append(f"idle memory: {idle} MB, less than {IDLE_MB}")
    if most > LOAD_MB:
        found.append(f"memory under load: {most} MB, at most {LOAD_MB}")
    cold = figures["cold start"]["first answer ms"]["median"]
    if cold >= COLD_MS:
        found.append(f"cold start: {cold:.0f} ms, less than {COLD_MS}")
    return found
