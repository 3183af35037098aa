"""The processes: the upstream and the pass-through (nginx, one worker each), and `chartgate serve`."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import canned

TICK = os.sysconf("SC_CLK_TCK")

COMMON = """
worker_processes 1;
daemon off;
pid {folder}/{name}.pid;
error_log {folder}/{name}.error.log error;
{user}
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path {folder}/{name}.body;
    proxy_temp_path {folder}/{name}.proxy;
    fastcgi_temp_path {folder}/{name}.fastcgi;
    uwsgi_temp_path {folder}/{name}.uwsgi;
    scgi_temp_path {folder}/{name}.scgi;
"""

UPSTREAM = COMMON + """
    open_file_cache max=100 inactive=1h;
    map_hash_bucket_size 256;
    map $request_uri $canned {{
        default "";
{canned}
    }}
    server {{
        listen 127.0.0.1:{port};
        root {folder}/bodies;
        location = /requests {{ stub_status; }}
        location /fhir/ {{
            types {{ }}
            default_type application/fhir+json;
            if ($canned = "") {{ return 404; }}
            rewrite ^ /$canned break;
        }}
    }}
}}
"""

PASS = COMMON + """
    upstream ehr {{
        server 127.0.0.1:{upstream};
        keepalive 64;
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://ehr;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffer_size 16k;
            proxy_buffers 24 16k;
        }}
    }}
}}
"""

CONFIGURATION = """
[server]
public_url = "http://localhost:{port}"
listen = ["127.0.0.1:{port}"]

[storage]
url = "sqlite:{folder}/chartgate.db"
master_key_file = "{folder}/master.key"

# Few people ask for what many would: counted as ever, and never too much.
[limits]
user_calls_per_minute = 4294967295
client_calls_per_minute = 4294967295
"""


def tool(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def free_port():
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return chosen.getsockname()[1]


class Stack:
    """All servers of a run; leaving it ends them."""

    def __init__(self, folder, options):
        self.folder, self.binary = Path(folder), options.binary
        self.ports = {name: free_port() for name in ("upstream", "nginx", "gateway")}
        self.processes = {}
        self.log_filter = options.log_filter
        # What the gateway is started by, if not by itself.
        self.under = []
        self.refused = []
        self.configuration = self.folder / "chartgate.toml"

    def __enter__(self):
        try:
            self.start_nginx()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in list(self.processes):
            self.stop(name)

    def bodies(self):
        """What the upstream answers, by path and query."""
        return canned.bodies(self.upstream_base())

    def start_nginx(self):
        bodies = self.folder / "bodies"
        bodies.mkdir()
        rows = []
        for number, (path, body) in enumerate(self.bodies().items()):
            (bodies / f"{number}.json").write_text(body)
            rows.append(f'        "{path}" {number}.json;')
        user = "user root;" if os.geteuid() == 0 else ""
        fill = {"folder": self.folder, "user": user, "canned": "\n".join(rows), "upstream": self.ports["upstream"]}
        for name, template in (("upstream", UPSTREAM), ("nginx", PASS)):
            file = self.folder / f"{name}.conf"
            file.write_text(template.format(name=name, port=self.ports[name], **fill))
            command = [tool("nginx"), "-p", str(self.folder), "-c", str(file), "-e", f"{self.folder}/{name}.error.log"]
            self.processes[name] = subprocess.Popen(command)
            self.wait_for(name)
        self.configuration.write_text(CONFIGURATION.format(port=self.ports["gateway"], folder=self.folder))
        if self.log_filter:
            with self.configuration.open("a") as more:
                more.write(f'\n[log]\nfilter = "{self.log_filter}"\n')

    def keep_answers(self):
        with self.configuration.open("a") as more:
            more.write("\n[cache]\nbytes = 64000000\nfresh_seconds = 600\n")

    def upstream_base(self):
        return f"http://127.0.0.1:{self.ports['upstream']}/fhir"

    def issuer(self):
        return f"http://localhost:{self.ports['gateway']}"

    def cli(self, *arguments):
        """Runs a command of the program under test and gives its output."""
        command = [self.binary, "--config", str(self.configuration), "--loopback-demo", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise SystemExit(f"{' '.join(arguments[:2])}: {done.stderr.strip()}")
        return done.stdout.strip()

    def start_gateway(self, wait=True):
        command = [*self.under, self.binary, "--config", str(self.configuration), "--loopback-demo", "serve"]
        with open(self.folder / "gateway.log", "ab") as log:
            self.processes["gateway"] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
        if wait:
            self.wait_for("gateway")

    def wait_for(self, name):
        for _ in range(1000):
            if self.processes[name].poll() is not None:
                raise SystemExit(f"{name} ended: see {self.folder} (--keep)")
            try:
                socket.create_connection(("127.0.0.1", self.ports[name]), timeout=1).close()
                return
            except OSError:
                time.sleep(0.01)
        raise SystemExit(f"{name} does not listen")

    def stop(self, name):
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def tree(self, name):
        """The process and all that descend from it."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parents[int(entry.name)] = int(stat(entry.name)[1])
                except OSError:
                    pass
        found = [self.processes[name].pid]
        for pid in found:
            found.extend(child for child, parent in parents.items() if parent == pid)
        return found

    def cpu(self, name):
        """Seconds of processor time of the whole tree, threads and children that ended included."""
        total = 0
        for pid in self.tree(name):
            fields = stat(pid)
            total += sum(int(field) for field in fields[11:15])
        return total / TICK

    def memory(self, name):
        """VmRSS and VmHWM of the tree in MB. nginx's pages that master and worker share count twice."""
        kilobytes = {"VmRSS": 0, "VmHWM": 0}
        for pid in self.tree(name):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                field, _, value = line.partition(":")
                if field in kilobytes:
                    kilobytes[field] += int(value.split()[0])
        return {field: round(value / 1024, 1) for field, value in kilobytes.items()}

    def upstream_counts(self):
        """Connections and requests that the upstream has had, without this question."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["upstream"])
        connection.request("GET", "/requests")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        accepts, _, requests = map(int, lines[2].split())
        self.asked = getattr(self, "asked", 0) + 1
        return accepts - self.asked, requests - self.asked


def stat(pid):
    """The fields of /proc/PID/stat from the state on: names may hold blanks and parentheses."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
