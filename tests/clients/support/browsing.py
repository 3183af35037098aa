"""A person at a browser without JavaScript: follows redirects, keeps cookies, fills in the forms. Standard library only."""

import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser
from http.cookiejar import CookieJar


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class _Forms(HTMLParser):
    """The forms of a page: [{"action", "controls": [{"name", "type", "value", "checked"}]}]."""

    def __init__(self, page):
        super().__init__()
        self.forms, self.open = [], False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "form":
            self.open = True
            self.forms.append({"action": given.get("action") or "", "controls": []})
        elif self.open and tag in ("input", "button"):
            kind = given.get("type") or ("submit" if tag == "button" else "text")
            self.forms[-1]["controls"].append({"name": given.get("name"), "type": kind, "checked": "checked" in given,
                                               "value": given.get("value", "on")})

    def handle_endtag(self, tag):
        if tag == "form":
            self.open = False


def sign_in(url, username, password, redirect_uri):
    """Signs in, allows what the consent page offers as it stands, and returns the URL at which the app is called back."""
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPCookieProcessor(CookieJar()))
    body, seen = None, []
    for _ in range(12):
        answer = _open(opener, url, body)
        location = answer.headers.get("Location")
        if 300 <= answer.status < 400 and location:
            url, body = urllib.parse.urljoin(url, location), None
            if url.startswith(redirect_uri):
                return url
            continue
        page = answer.read().decode()
        if answer.status != 200:
            raise AssertionError(f"{urllib.parse.urlsplit(url).path}: {answer.status}\n{page}")
        kind, form = _form(page)
        if kind in seen:
            raise AssertionError(f"the {kind} page came back:\n{page}")
        seen.append(kind)
        url, body = urllib.parse.urljoin(url, form["action"] or url), _filled(form, username, password)
    raise AssertionError(f"no way back to {redirect_uri}: still at {url}")


def _open(opener, url, body):
    request = urllib.request.Request(url, data=body, headers={"Accept": "text/html"})
    if body is not None:
        request.add_header("Origin", "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(url)))
    try:
        return opener.open(request, timeout=30)
    except urllib.error.HTTPError as answer:
        return answer


def _form(page):
    for form in _Forms(page).forms:
        names = {control["name"] for control in form["controls"]}
        if "password" in names:
            return "sign-in", form
        if "decision" in names:
            return "consent", form
    raise AssertionError(f"a page without a form to sign in or to decide:\n{page}")


def _filled(form, username, password):
    fields, radios = [], {}
    for control in form["controls"]:
        name, kind, value = control["name"], control["type"], control["value"]
        if name == "username":
            fields.append((name, username))
        elif name == "password":
            fields.append((name, password))
        elif kind == "hidden" or (kind == "checkbox" and control["checked"]) or (name, value) == ("decision", "allow"):
            fields.append((name, value))
        elif kind == "radio" and (control["checked"] or name not in radios):
            radios[name] = value
    return urllib.parse.urlencode([*fields, *radios.items()]).encode()
