"""fhirpy (PyPI) proves: its synchronous and asynchronous clients search, count and page to the end with a bearer token,
every resource of both practices exactly once; reads and references resolve; a dead token is an AuthorizationError."""

import asyncio
import json
import os
from pathlib import Path

from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import AuthorizationError, ResourceNotFound

from support.authorizing import authorize
from support.expectations import TYPES, check_whole, expected

demo = json.loads(Path(os.environ["CHARTGATE_DEMO"]).read_text(encoding="utf-8"))
token = authorize(demo, "maria")
patient, bearer = token["patient"], f"Bearer {token['access_token']}"


def number(resource_type):
    return sum(len(plain) + hashed for plain, hashed in expected(demo, "maria-alvarez", resource_type).values())


def synchronous():
    client = SyncFHIRClient(demo["fhir"], authorization=bearer)
    for resource_type in TYPES:
        search = client.resources(resource_type).search(patient=patient)
        found = search.limit(7).fetch_all()
        check_whole(demo, "maria-alvarez", resource_type, [resource["id"] for resource in found])
        assert search.count() == number(resource_type), f"{resource_type}: count {search.count()}"
        assert client.get(resource_type, found[0]["id"])["id"] == found[0]["id"]
        first = search.first()
        assert first["id"] == found[0]["id"], f"{resource_type}: the first page begins where paging begins"
    subject = client.resources("Observation").search(patient=patient).first()["subject"].to_resource()
    assert subject["id"] == patient, "the subject of an Observation is the Patient of this app"
    try:
        client.get("Observation", "no-such-id")
        raise AssertionError("an unknown id was found")
    except ResourceNotFound:
        pass
    try:
        SyncFHIRClient(demo["fhir"], authorization="Bearer dead").resources("Observation").first()
        raise AssertionError("a dead token was let in")
    except AuthorizationError:
        pass


async def asynchronous():
    client = AsyncFHIRClient(demo["fhir"], authorization=bearer)
    for resource_type in TYPES:
        search = client.resources(resource_type).search(patient=patient)
        ids = [resource["id"] async for resource in search.limit(10)]
        check_whole(demo, "maria-alvarez", resource_type, ids)
        assert await search.count() == number(resource_type), resource_type


synchronous()
asyncio.run(asynchronous())
