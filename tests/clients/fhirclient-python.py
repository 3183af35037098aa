"""fhirclient (PyPI) proves: discovery by the CapabilityStatement alone, the standalone launch of a public and of a
confidential app (client_id in the body beside Basic), models that refuse unknown elements, paging, reauthorization."""

import json
import os
from pathlib import Path

from fhirclient.client import FHIRClient
from fhirclient.models.appointment import Appointment
from fhirclient.models.communication import Communication
from fhirclient.models.condition import Condition
from fhirclient.models.medicationrequest import MedicationRequest
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient

from support.authorizing import SCOPE, one
from support.browsing import sign_in
from support.expectations import check_whole

REDIRECT = "http://127.0.0.1:49155/callback"
demo = json.loads(Path(os.environ["CHARTGATE_DEMO"]).read_text(encoding="utf-8"))
maria = one(demo["accounts"], username="maria")


def read_all(smart):
    patient = Patient.read(smart.patient_id, smart.server)
    assert patient.id == maria["person_id"]
    for model in (Observation, MedicationRequest, Appointment, Communication, Condition):
        search = model.where({"patient": smart.patient_id})
        found = list(search.perform_resources_iter(smart.server))
        strangers = [resource.resource_type for resource in found if type(resource) is not model]
        assert not strangers, f"a search for {model.resource_type} brought {strangers}"
        check_whole(demo, "maria-alvarez", model.resource_type, [resource.id for resource in found])


for kind in ("public", "confidential-symmetric"):
    app = one(demo["clients"], kind=kind)
    smart = FHIRClient(settings={"app_id": app["client_id"], "app_secret": app.get("secret"), "api_base": demo["fhir"],
                                 "redirect_uri": REDIRECT, "scope": SCOPE.removeprefix("launch/patient ")})
    assert smart.prepare() is False, f"{kind}: without a token the server is not open"
    callback = sign_in(smart.authorize_url, maria["username"], maria["password"], REDIRECT)
    smart.handle_callback(callback)
    assert smart.ready, f"{kind}: a token was received"
    assert smart.patient_id == maria["person_id"]
    read_all(smart)
    first = smart.server.auth.access_token
    assert smart.reauthorize(), f"{kind}: the refresh token is honoured"
    assert smart.server.auth.access_token != first, f"{kind}: a refresh brings another access token"
    read_all(smart)
