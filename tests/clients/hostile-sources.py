"""hostile-sources (fhirsnake from PyPI, @medplum/fhir-router from npm) proves: in front of a FHIR server that ignores
`patient` and hands out everybody's data, and one that truncates without a link to the rest, nothing of another patient
leaves the gateway, an alarm is logged once for each answer, and what is missing is said."""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from support.authorizing import REDIRECT, authorize

HERE = Path(__file__).resolve().parent
TOOLS = Path(os.environ.get("CHARTGATE_TEST_TOOLS") or Path.home() / ".cache" / "chartgate-test-tools")
BINARY = os.environ["CHARTGATE_BINARY"]
CANARY = "CANARY-OF-BOB"
TYPES = {"Observation": 12, "Condition": 3, "AllergyIntolerance": 2}
# What the gateway asks for on a page; less than the Observations of one patient.
PAGE = 10
ALARM = "not about the person in context"
running = []


def resources(patient, canary):
    """A small record. Everything in it carries the canary, if there is one."""
    text = {"text": canary or "plain"}
    yield {"resourceType": "Patient", "id": patient, "name": [{"family": canary or "Ann"}], "birthDate": "1980-01-01"}
    subject = {"reference": f"Patient/{patient}"}
    for number in range(TYPES["Observation"]):
        yield {"resourceType": "Observation", "id": f"{patient}-o{number}", "status": "final", "code": text,
               "subject": subject, "effectiveDateTime": f"2026-01-{number + 1:02}", "valueString": canary or "fine"}
    for number in range(TYPES["Condition"]):
        yield {"resourceType": "Condition", "id": f"{patient}-c{number}", "code": text, "subject": subject}
    for number in range(TYPES["AllergyIntolerance"]):
        yield {"resourceType": "AllergyIntolerance", "id": f"{patient}-a{number}", "code": text, "patient": subject}


EVERYTHING = [*resources("ann", None), *resources("bob", CANARY)]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(command, log, **options):
    """Starts a process that ends with this one, whatever happens (Linux's PR_SET_PDEATHSIG)."""
    import ctypes

    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                               preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL), **options)
    running.append(process)
    return process


def wait_for(url, process, log):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, f"{url}: ended\n{Path(log.name).read_text()[-2000:]}"
            time.sleep(0.2)
    raise AssertionError(f"{url} does not answer\n{Path(log.name).read_text()[-2000:]}")


def fhirsnake(work):
    """Reads `resources/{type}/{id}.json` of its working folder; imports its own files by their bare names."""
    for resource in EVERYTHING:
        folder = work / "resources" / resource["resourceType"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{resource['id']}.json").write_text(json.dumps(resource), encoding="utf-8")
    python = TOOLS / "venv/bin/python"
    found = subprocess.run([python, "-c", "import fhirsnake; print(fhirsnake.__path__[0])"], check=True, text=True,
                           capture_output=True).stdout.strip()
    port, log = free_port(), open(work / "fhirsnake.log", "wb")
    process = start([python, "-m", "uvicorn", "main:app", "--port", str(port)], log, cwd=work,
                    env={**os.environ, "PYTHONPATH": found})
    wait_for(f"http://127.0.0.1:{port}/Patient", process, log)
    return f"http://127.0.0.1:{port}"


def medplum(work):
    file, port, log = work / "medplum.json", free_port(), open(work / "medplum.log", "wb")
    file.write_text(json.dumps(EVERYTHING), encoding="utf-8")
    process = start(["node", HERE / "support/medplum-source.mjs", file, str(port)], log)
    wait_for(f"http://127.0.0.1:{port}/fhir/Patient/ann", process, log)
    return f"http://127.0.0.1:{port}/fhir"


class Gateway:
    """`chartgate serve` with the two as its sources, and one person who has a chart at both."""

    def __init__(self, work, sources):
        self.work, port = work, free_port()
        self.config, self.log = work / "chartgate.toml", work / "chartgate.log"
        self.issuer = f"http://localhost:{port}"
        self.fhir = f"{self.issuer}/fhir"
        text = f"""
            server.public_url = "{self.issuer}"
            server.listen = ["127.0.0.1:{port}"]
            storage.url = "sqlite:{work}/chartgate.db"
            storage.master_key_file = "{work}/master.key"
            limits.source_page_size = {PAGE}
            limits.foreign_answers = 0
            log.format = "json"
        """
        for name, url in sources.items():
            text += f"""
            [[organization]]
            key = "{name}"
            name = "Practice {name}"
            [[source]]
            organization = "{name}"
            name = "{name}"
            base_url = "{url}"
            private_addresses = ["127.0.0.0/8"]
            """
        self.config.write_text(re.sub(r"^ +", "", text, flags=re.MULTILINE), encoding="utf-8")
        self.command("master-key", str(work / "master.key"))
        self.process = start([BINARY, "--loopback-demo", "--config", self.config, "serve"], open(self.log, "wb"))
        wait_for(f"{self.fhir}/metadata", self.process, open(self.log, "rb"))
        self.keys = {line.split()[1]: line.split()[0] for line in self.command("source", "list").splitlines()}
        password = work / "password"
        password.write_text(secrets.token_urlsafe(24), encoding="utf-8")
        added = self.command("account", "add", "ann", "--password-file", str(password))
        self.person = dict(line.split() for line in added.splitlines())["person"]
        for rank, key in enumerate(self.keys.values()):
            self.command("link", "add", self.person, key, "ann", "--rank", str(rank), "--family", "Ann", "--given", "A",
                         "--birth-date", "1980-01-01")
        self.command("client", "add", "--name", "Test", "--id", "test", "--native", "--redirect-uri", REDIRECT)
        about = {"fhir": self.fhir, "accounts": [{"username": "ann", "password": password.read_text()}],
                 "clients": [{"kind": "public", "client_id": "test"}]}
        self.token = authorize(about, "ann")["access_token"]

    def command(self, *arguments):
        done = subprocess.run([BINARY, "--loopback-demo", "--config", self.config, *arguments], text=True, timeout=60,
                              capture_output=True)
        assert done.returncode == 0, f"{arguments[:2]}: {done.stderr}"
        return done.stdout

    def get(self, path, form=None):
        """Status and text of an answer. No answer may hold anything of anybody else, nor name a source's address."""
        url = path if path.startswith("http") else f"{self.fhir}/{path}"
        data = None if form is None else urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(url, data, {"Authorization": f"Bearer {self.token}"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        asked = urllib.parse.unquote(url)
        for leak in (CANARY, "bob", "127.0.0.1"):
            assert leak not in text.replace(asked, "") or leak in asked, f"{path}: {leak} in {text[:3000]}"
        return status, text

    def everything(self, path, form=None):
        """The ids of all matches on all pages, and the texts of all outcomes."""
        ids, said = [], set()
        status, text = self.get(path, form)
        while True:
            assert status == 200, f"{path}: {status} {text[:2000]}"
            bundle = json.loads(text)
            for entry in bundle.get("entry", []):
                if entry["search"]["mode"] == "outcome":
                    said |= {f"{i['code']}: {i['details']['text']}" for i in entry["resource"]["issue"]}
                else:
                    ids.append(entry["resource"]["id"])
            after = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
            if not after:
                return ids, said
            status, text = self.get(after[0])

    def alarms(self):
        """The alarms so far. Lines may be written together: they are given a moment."""
        time.sleep(0.5)
        lines = [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
        return [line for line in lines if ALARM in json.dumps(line)]


def check(gateway):
    snake, med = gateway.keys["fhirsnake"], gateway.keys["medplum"]
    for resource_type, number in TYPES.items():
        letter = resource_type[0].lower()
        whole = {f"{snake}.ann-{letter}{n}" for n in range(number)}
        for path, form in ((f"{resource_type}?_count=7", None), (f"{resource_type}/_search", {"_count": "100"}),
                           (f"{resource_type}?patient={gateway.person}", None)):
            ids, said = gateway.everything(path, form)
            assert len(ids) == len(set(ids)), f"{path}: something came twice"
            assert {i for i in ids if i.startswith(snake)} == whole, f"{path}: {sorted(ids)}"
            of_medplum = {i for i in ids if i.startswith(med)}
            assert of_medplum <= {f"{med}.ann-{letter}{n}" for n in range(number)}, f"{path}: {sorted(ids)}"
            assert len(of_medplum) == min(number, PAGE), f"{path}: {sorted(ids)}"
            cut = [text for text in said if "Practice medplum" in text]
            assert bool(cut) == (number > PAGE), f"{path}: {said}: a gap is said, and said only where there is one"
            assert all(text.startswith("incomplete") for text in cut) and len(said) == len(cut), said
    # The order of things does not matter to the filter.
    ids, _ = gateway.everything("Observation?_sort=-date&_count=5")
    assert len(ids) == TYPES["Observation"] + PAGE

    # Each answer made from what fhirsnake mixed raises one alarm, which says how much it was and of nobody what.
    before = len(gateway.alarms())
    gateway.get("Condition?_count=100")
    new = gateway.alarms()[before:]
    assert len(new) == 1, new
    text = json.dumps(new[0])
    assert snake in text and med not in text and "ERROR" in text, text
    assert re.search(rf'"count": "?{TYPES["Condition"]}\b', text), text
    for never in (CANARY, "bob", "ann", gateway.person):
        assert never not in text, f"{never} in {text}"

    # Reads: one's own are there; what is somebody else's and what does not exist give the same answer.
    for key in (snake, med):
        status, text = gateway.get(f"Observation/{key}.ann-o1")
        assert status == 200 and json.loads(text)["subject"]["reference"] == f"Patient/{gateway.person}"
        for path in (f"Observation/{key}.bob-o1", f"Condition/{key}.bob-c1", f"AllergyIntolerance/{key}.bob-a1",
                     f"Patient/{key}.bob", f"Observation/{key}.nobody-1"):
            status, text = gateway.get(path)
            assert status in (404, 503) and (status == 404 or "nobody" in path), f"{path}: {status} {text}"
        for query in (f"Observation?_id={key}.bob-o1", f"Observation?patient={key}.bob",
                      f"Observation?subject=Patient/{key}.bob", f"Patient?_id={key}.bob"):
            ids, _ = gateway.everything(query)
            assert ids == [], f"{query}: {ids}"
    status, text = gateway.get(f"Patient/{gateway.person}")
    assert status == 200 and json.loads(text)["name"][0]["family"] == "Ann"


def main():
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "localhost,127.0.0.1"
    work = Path(tempfile.mkdtemp(prefix="chartgate-hostile-"))
    try:
        gateway = Gateway(work, {"fhirsnake": fhirsnake(work), "medplum": medplum(work)})
        check(gateway)
        print(f"{len(gateway.alarms())} alarms, nothing of anybody else")
        assert CANARY not in gateway.log.read_text(encoding="utf-8"), "the log holds somebody else's data"
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(20)
        shutil.rmtree(work, ignore_errors=True)


main()
