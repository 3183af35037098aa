"""What must be found, read from fixtures/ by a filter of its own: it shares nothing with the gateway."""

import json
import tomllib
from pathlib import Path

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures"
TYPES = ["Observation", "MedicationRequest", "Appointment", "Communication", "Condition"]


def expected(demo, person, resource_type):
    """{source key: (sorted ids as the gateway shows them, how many more in hashed form)}."""
    wiring = tomllib.loads((FIXTURES / "demo.toml").read_text(encoding="utf-8"))
    organizations = {entry["key"]: entry for entry in wiring["organization"]}
    out = {}
    for link in next(entry for entry in wiring["person"] if entry["key"] == person)["links"]:
        organization = organizations[link["organization"]]
        (key,) = [source["key"] for source in demo["sources"] if source["name"].startswith(organization["name"])]
        file = FIXTURES / organization["folder"] / f"{resource_type}.ndjson"
        held = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        ids = [resource["id"] for resource in held if _is_about(resource, f"Patient/{link['patient']}")]
        assert ids, f"the fixtures hold no {resource_type} of {person} at {organization['name']}: nothing would be proved"
        # An id that is too long beside the source key, or begins like a hashed one, is shown as a hash.
        plain = sorted(f"{key}.{i}" for i in ids if len(key) + 1 + len(i) <= 64 and not i.startswith("h-"))
        out[key] = (plain, len(ids) - len(plain))
    return out


def check_whole(demo, person, resource_type, ids):
    """Exactly the person's resources of a type, from every practice, once each."""
    assert len(ids) == len(set(ids)), f"{resource_type}: the same resource twice"
    shown = {}
    for i in ids:
        shown.setdefault(i.split(".", 1)[0], []).append(i)
    found = {}
    for key, mine in shown.items():
        plain = sorted(i for i in mine if not i.startswith(f"{key}.h-"))
        found[key] = (plain, len(mine) - len(plain))
    wanted = expected(demo, person, resource_type)
    assert found == wanted, f"{resource_type}: found {_counts(found)}, expected {_counts(wanted)}"


def _is_about(resource, patient):
    if resource["resourceType"] == "Appointment":
        candidates = [participant.get("actor", {}) for participant in resource["participant"]]
    else:
        candidates = [resource.get("subject", {})]
    plain = [one.get("reference", "").removeprefix("{{base}}/").split("/_history/")[0] for one in candidates]
    return patient in plain


def _counts(by_source):
    return {key: f"{len(plain)} and {hashed} hashed" for key, (plain, hashed) in by_source.items()}
