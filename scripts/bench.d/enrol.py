"""Brings a fresh gateway to the point where an app holds a token, as an operator, a patient and an app would."""

import base64
import hashlib
import html
import http.cookiejar
import json
import re
import secrets
import urllib.error
import urllib.parse
import urllib.request

import canned

REDIRECT = "http://127.0.0.1:9/callback"
SCOPE = "launch/patient patient/*.rs"


def enrol(stack):
    """Organization, source, client, and for each record an account with a linked chart and a token."""
    cli = stack.cli
    cli("master-key", str(stack.folder / "master.key"))
    cli("organization", "add", "Harbour Family Practice")
    key = cli(
        "source", "add", "--organization", "Harbour Family Practice", "--name", "Harbour EHR",
        "--base-url", stack.upstream_base(), "--private-address", "127.0.0.0/8",
    )
    cli("client", "add", "--name", "Bench", "--id", "bench", "--redirect-uri", REDIRECT)
    password = secrets.token_urlsafe(24)
    (stack.folder / "password").write_text(password + "\n")
    enrolled = {"key": key}
    for size, people in canned.PEOPLE.items():
        enrolled[size] = []
        for person in range(people):
            printed = cli("account", "add", f"{size}{person}", "--password-file", str(stack.folder / "password"))
            found = re.search(r"^person (\S+)$", printed, re.M).group(1)
            cli("link", "add", found, key, canned.patient_id(size, person))
            enrolled[size].append({"person": found})
    stack.start_gateway()
    for size in canned.PEOPLE:
        for number, person in enumerate(enrolled[size]):
            person["token"] = Browser(stack.issuer()).token(f"{size}{number}", password)
    stack.stop("gateway")
    return enrolled


def targets(stack, enrolled):
    """For each target and workload where to ask, and the requests to make in turn: path and headers."""
    found = {"direct": {}, "nginx": {}, "gateway": {}}
    for name, (size, path) in canned.WORKLOADS.items():
        asked = {target: [] for target in found}
        for number, person in enumerate(enrolled[size]):
            headers = {"Authorization": f"Bearer {person['token']}"}
            names = {"patient": canned.patient_id(size, number), "observation": canned.observation_id(size, number)}
            upstream = canned.UPSTREAM_PATHS[name].format(**names)
            asked["direct"].append((upstream, {}))
            asked["nginx"].append((upstream, headers))
            own = path.format(key=enrolled["key"], person=person["person"], **names)
            asked["gateway"].append(("/fhir" + own, headers))
        for target, requests in asked.items():
            port = stack.ports["upstream" if target == "direct" else target]
            found[target][name] = (port, requests)
    return found


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_, **__):
        return None


class Browser:
    """As much of a browser as a sign-in and a consent page need."""

    def __init__(self, issuer):
        self.issuer = issuer
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(cookies, NoRedirect)

    def token(self, username, password):
        """SMART App Launch 2.2, standalone: authorize with PKCE, sign in, consent, exchange the code."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code", "client_id": "bench", "redirect_uri": REDIRECT, "scope": SCOPE,
            "state": secrets.token_urlsafe(8), "aud": f"{self.issuer}/fhir",
            "code_challenge": challenge, "code_challenge_method": "S256",
        }
        url, page = self.go(f"{self.issuer}/oauth/authorize?" + urllib.parse.urlencode(query))
        url, page = self.submit(url, page, username=username, password=password)
        url, page = self.submit(url, page, decision="allow")
        answer = urllib.parse.parse_qs(urllib.parse.urlparse(url).query)
        if "code" not in answer:
            raise SystemExit(f"no authorization code for {username}: {url.partition('?')[0]}")
        form = {
            "grant_type": "authorization_code", "code": answer["code"][0], "redirect_uri": REDIRECT,
            "client_id": "bench", "code_verifier": verifier,
        }
        request = urllib.request.Request(f"{self.issuer}/oauth/token", data=urllib.parse.urlencode(form).encode())
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)["access_token"]

    def go(self, url, form=None):
        """Follows redirects until a page, or until they lead to the app."""
        for _ in range(10):
            data = urllib.parse.urlencode(form).encode() if form is not None else None
            headers = {"Origin": self.issuer} if form is not None else {}
            try:
                answer = self.opener.open(urllib.request.Request(url, data=data, headers=headers), timeout=30)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                if answer.status not in (302, 303):
                    return url, answer.read().decode()
                url, form = urllib.parse.urljoin(url, answer.headers["Location"]), None
            if url.startswith(REDIRECT):
                return url, ""
        raise SystemExit("redirected too often")

    def submit(self, url, page, **typed):
        """Sends the page's form as it stands, with what was typed."""
        fields = []
        for tag in re.findall(r"<input([^>]*)>", page):
            named = {name: html.unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', tag)}
            unchecked = named.get("type") in ("checkbox", "radio") and not re.search(r"\bchecked\b", tag)
            if "name" in named and named["name"] not in typed and not unchecked:
                fields.append((named["name"], named.get("value", "")))
        action = re.search(r'<form[^>]*action="([^"]*)"', page)
        target = urllib.parse.urljoin(url, html.unescape(action.group(1))) if action else url
        return self.go(target, fields + list(typed.items()))
