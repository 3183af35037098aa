"""docs/apps.md (bash, curl and openssl) proves: every block of it can be pasted into one shell, in order. The person at
the browser is the test; the rest is what a reader would type."""

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

from support.authorizing import one
from support.browsing import sign_in

ROOT = Path(__file__).resolve().parents[2]
demo = json.loads(Path(os.environ["CHARTGATE_DEMO"]).read_text(encoding="utf-8"))
data = os.environ.get("CHARTGATE_DEMO_DATA")

PREAMBLE = """set -euo pipefail
chartgate() { "$CHARTGATE_BINARY" --loopback-demo "$@"; }
"""

text = (ROOT / "docs" / "apps.md").read_text(encoding="utf-8")
blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.S | re.M)
assert len(blocks) >= 12, f"{len(blocks)} blocks"
assert "```" not in re.sub(r"^```(sh)?$", "", text, flags=re.M), "every fence is a shell block that is run"


def run(folder):
    script = folder / "apps.sh"
    # Each block says where it begins, so that a failure can be named.
    parts = [f"printf '\\n== block {number}\\n'\n{block}" for number, block in enumerate(blocks, 1)]
    script.write_text(PREAMBLE + "\n".join(parts) + "\nprintf '\\n== done\\n'\n", encoding="utf-8")
    environment = {
        **os.environ,
        "FHIR": demo["fhir"],
        "SOURCE": demo["sources"][0]["key"],
        "CHARTGATE_SERVER_PUBLIC_URL": demo["issuer"],
        "CHARTGATE_STORAGE_URL": f"sqlite:{Path(data) / 'chartgate.db'}",
        "CHARTGATE_STORAGE_MASTER_KEY_FILE": str(Path(data) / "master.key"),
    }
    shell = subprocess.Popen(["bash", str(script)], cwd=folder, env=environment, text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = []
    for line in shell.stdout:
        said.append(line)
        if line.startswith(demo["issuer"] + "/oauth/authorize?"):
            maria = one(demo["accounts"], username="maria")
            callback = sign_in(line.strip(), maria["username"], maria["password"], "http://127.0.0.1:8765/callback")
            shell.stdin.write(re.search(r"[?&]code=([^&]+)", callback).group(1) + "\n")
            shell.stdin.flush()
    code = shell.wait()
    assert code == 0 and said[-1] == "== done\n", f"exit {code}:\n{''.join(said)[-3000:]}"
    return "".join(said)


if data:
    with tempfile.TemporaryDirectory(prefix="chartgate-apps-doc-") as where:
        said = run(Path(where))
    maria = one(demo["accounts"], username="maria")
    # What is printed is what the words around it say.
    for wanted in ("4.0.1\n", f'"id":"{maria["person_id"]}"', '"resourceType":"Observation"',
                   "client_secret ", "My portal app", '"active":true'):
        assert wanted in said, f"{wanted} is not among what was printed:\n{said[-3000:]}"
else:
    print("not tried: commands of the operator need the data of the demo")
