"""Schemathesis proves: the portal API answers whatever is sent to it as its description says, and never with a fault of its
own: signed in as somebody with a record, and as nobody.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# What would end the session that the other calls need: they are tried by nobody, and by the tests of the gateway itself.
ENDS = ["/api/v1/sessions", "/api/v1/sessions/second-factor", "/api/v1/sessions/current", "/api/v1/account",
        "/api/v1/account/sessions/{id}"]


def sign_in(demo, username):
    """The session cookie of an account of the demo."""
    account = next(one for one in demo["accounts"] if one["username"] == username)
    body = json.dumps({"username": username, "password": account["password"]}).encode()
    headers = {"content-type": "application/json", "sec-fetch-site": "same-origin"}
    request = urllib.request.Request(f"{demo['issuer']}/api/v1/sessions", body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 201
        return answer.headers["set-cookie"].split(";")[0]


def run(demo, name, options, seconds):
    """One run; prints what it says when it is not content."""
    tool = Path(sys.executable).parent / "schemathesis"
    command = [str(tool), "run", f"{demo['issuer']}/api/openapi.json", "--checks", CHECKS, "--phases",
               "examples,coverage,fuzzing", "--max-examples", "6", "--max-time", str(seconds), "--seed", "11",
               "--request-timeout", "10", "--suppress-health-check", "all", "--generation-database", "none",
               "--generation-with-security-parameters", "false", "--warnings", "off", "--no-color",
               "-H", "sec-fetch-site: same-origin", *options]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=seconds + 60)
    if done.returncode != 0:
        print(done.stdout[-6000:])
        raise SystemExit(f"{name}: Schemathesis is not content ({done.returncode})")
    counts = [line.strip() for line in done.stdout.splitlines() if re.search(r"\d+ (generated|tested|passed)|Tested:", line)]
    print(f"{name}: {'; '.join(counts)}")


def main():
    demo = json.loads(Path(os.environ["CHARTGATE_DEMO"]).read_text(encoding="utf-8"))
    ends = "|".join(re.escape(path) for path in ENDS)
    run(demo, "signed in", ["-H", f"cookie: {sign_in(demo, 'dana')}", "--exclude-path-regex", f"^({ends})$"], 25)
    run(demo, "nobody", [], 15)
    return 0


if __name__ == "__main__":
    sys.exit(main())
