"""The code flow with PKCE by hand, for the clients that only read: they are given a token. Standard library only."""

import base64
import hashlib
import json
import secrets
import urllib.parse
import urllib.request

from .browsing import sign_in

SCOPE = "launch/patient openid fhirUser offline_access patient/*.rs"
REDIRECT = "http://127.0.0.1:49154/callback"


def authorize(demo, username, scope=SCOPE):
    """The body of the token response for a person of the demo and its public app."""
    account = one(demo["accounts"], username=username)
    app = one(demo["clients"], kind="public")
    with urllib.request.urlopen(f"{demo['fhir']}/.well-known/smart-configuration", timeout=30) as answer:
        discovered = json.load(answer)
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    query = {
        "response_type": "code",
        "client_id": app["client_id"],
        "redirect_uri": REDIRECT,
        "scope": scope,
        "state": state,
        "aud": demo["fhir"],
        "code_challenge": base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    url = f"{discovered['authorization_endpoint']}?{urllib.parse.urlencode(query)}"
    callback = sign_in(url, account["username"], account["password"], REDIRECT)
    told = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(callback).query))
    assert told.get("state") == state and "code" in told, told
    form = {
        "grant_type": "authorization_code",
        "code": told["code"],
        "redirect_uri": REDIRECT,
        "client_id": app["client_id"],
        "code_verifier": verifier,
    }
    with urllib.request.urlopen(discovered["token_endpoint"], urllib.parse.urlencode(form).encode(), 30) as answer:
        return json.load(answer)


def one(entries, **wanted):
    """The one entry of a list with these values."""
    found = [entry for entry in entries if wanted.items() <= entry.items()]
    assert len(found) == 1, f"the demo lists {len(found)} entries with {wanted}, expected one"
    return found[0]
