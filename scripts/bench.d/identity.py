"""Before anything is timed: the gateway's answers are the upstream's bytes but for ids and references."""

import json
import re

import canned
import measure


def check(name, targets, stack, enrolled):
    size, _ = canned.WORKLOADS[name]
    clients = {target: measure.Client(targets[target][name]) for target in targets}
    for number, person in enumerate(enrolled[size]):
        bodies = {target: client.get() for target, client in clients.items()}
        if bodies["nginx"] != bodies["direct"]:
            raise SystemExit(f"{name}: nginx does not pass the body on as it is")
        own = Own(enrolled["key"], canned.patient_id(size, number), person["person"])
        check_one(name, bodies["direct"].decode(), bodies["gateway"].decode(), own, stack)
    for client in clients.values():
        client.close()


def check_one(name, upstream, gateway, own, stack):
    if str(stack.ports["upstream"]) in re.sub(r'"[^"]*localhost[^"]*"', "", gateway):
        raise SystemExit(f"{name}: the upstream's host stands in the answer")
    if name == "read Patient":
        check_person(json.loads(upstream, **EXACT), json.loads(gateway, **EXACT), own)
    elif name.startswith("read"):
        expect(name, [own.rewritten(upstream)], [gateway])
    else:
        theirs, ours = entries(upstream), entries(gateway)
        # Without _sort the order is the gateway's own.
        expect(name, sorted(own.rewritten(text) for text in theirs), sorted(ours))
        size, _ = canned.WORKLOADS[name]
        if len(ours) != canned.ENTRIES[size] or "total" in json.loads(gateway):
            raise SystemExit(f"{name}: {len(ours)} entries")


# Numbers are compared as they are written.
EXACT = {"parse_float": lambda text: ("number", text), "parse_int": lambda text: ("number", text)}


class Own:
    """The id rules of the gateway, written down a second time."""

    def __init__(self, key, patient, person):
        self.key, self.patient, self.person = key, patient, person

    def rewritten(self, text):
        text = re.sub(r'^(\{"resourceType":"\w+","id":")', rf"\g<1>{self.key}.", text)
        text = text.replace(f'"reference":"Patient/{self.patient}"', f'"reference":"Patient/{self.person}"')
        return re.sub(r'"reference":"(Encounter|Practitioner|Organization)/', rf'"reference":"\1/{self.key}.', text)


def check_person(upstream, gateway, own):
    """One source: every element is the source's, the id is the person's, `link` names the source record."""
    expected = {name: value for name, value in upstream.items() if name not in ("id", "meta")}
    expected["id"] = own.person
    expected["link"] = [{"other": {"reference": f"Patient/{own.key}.{own.patient}"}, "type": "seealso"}]
    given = {name: value for name, value in gateway.items() if name != "meta"}
    if given != expected or gateway["meta"]["lastUpdated"] != upstream["meta"]["lastUpdated"]:
        raise SystemExit("read Patient: the merged record is not the source's")


def entries(body):
    """The resources of a searchset as they are written."""
    decoder, found = json.JSONDecoder(), []
    for start in re.finditer(r'"resource":(?=\{)', body):
        _, end = decoder.raw_decode(body, start.end())
        found.append(body[start.end() : end])
    return found


def expect(name, expected, given):
    if expected != given:
        wrong = sum(a != b for a, b in zip(expected, given)) + abs(len(expected) - len(given))
        raise SystemExit(f"{name}: {wrong} of {len(expected)} resources are not the upstream's bytes")

