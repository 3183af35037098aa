"""The upstream's bodies: a Patient of about 1 KB, Observations of about 1.2 KB each, searchsets of 30 KB and 300 KB.

Written as text, not through a JSON library: number forms such as 6.3 and 1e-3 must survive the gateway unchanged.
"""

# Workload: the path below the FHIR base as a client of the gateway asks. What stands in braces are ids that the gateway
# gave out.
WORKLOADS = {
    "read Patient": "/Patient/{small person}",
    "read Observation": "/Observation/{key}.obs-small-0003",
    "search 30 KB": "/Observation?patient={small person}",
    "search 300 KB": "/Observation?patient={large person}&_count=500",
}

PATIENTS = {"small": "pt-small", "large": "pt-large"}
ENTRIES = {"small": 25, "large": 256}
# Entries that the gateway asks for on a page: no more than its own page has, and 200 at most.
PAGE_SIZES = {"small": 50, "large": 200}
VALUES = ["6.30", "5.1", "1e-3", "120", "98.60", "0.0010", "7.0", "310"]
CODES = [
    ("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%"),
    ("2345-7", "Glucose [Mass/volume] in Serum or Plasma", "mg/dL"),
    ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL"),
    ("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL"),
]


def patient(size):
    return (
        '{"resourceType":"Patient","id":"%s","meta":{"versionId":"7","lastUpdated":"2026-03-02T09:15:00.000+01:00"},'
        '"text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\">Ines Halvorsen, born 1984'
        '-11-05</div>"},"identifier":[{"use":"usual","type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem'
        '/v2-0203","code":"MR"}]},"system":"urn:oid:1.2.36.146.595.217.0.1","value":"4711-%s"}],"active":true,"name":[{'
        '"use":"official","family":"Halvorsen","given":["Ines","Marit"]},{"use":"maiden","family":"Lindqvist","given":['
        '"Ines"]}],"telecom":[{"system":"phone","value":"+1 555 0143","use":"mobile"},{"system":"email","value":"ines'
        '@example.org"}],"gender":"female","birthDate":"1984-11-05","address":[{"use":"home","line":["12 Harbour Row"'
        '],"city":"Northport","postalCode":"04101","country":"US"}],"communication":[{"language":{"coding":[{"system":'
        '"urn:ietf:bcp:47","code":"en"}]},"preferred":true}]}' % (PATIENTS[size], size)
    )


def observation(size, number):
    code, display, unit = CODES[number % len(CODES)]
    return (
        '{"resourceType":"Observation","id":"obs-%s-%04d","meta":{"versionId":"%d","lastUpdated":"2026-02-%02dT08:00:0'
        '0.123Z","profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-lab"]},"text":{'
        '"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\">Laboratory result number %d, taken '
        'fasting</div>"},"status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/'
        'observation-category","code":"laboratory","display":"Laboratory"}]}],"code":{"coding":[{"system":"http://'
        'loinc.org","code":"%s","display":"%s"}],"text":"%s"},"subject":{"reference":"Patient/%s"},"encounter":{'
        '"reference":"Encounter/enc-%d"},"effectiveDateTime":"2026-01-%02dT07:30:00+01:00","issued":"2026-01-%02dT09:'
        '00:00Z","performer":[{"reference":"Practitioner/dr-%d"},{"reference":"Organization/org-1"}],"valueQuantity":'
        '{"value":%s,"unit":"%s","system":"http://unitsofmeasure.org","code":"%s"},"interpretation":[{"coding":[{'
        '"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"N"}]}],"referenceRange'
        '":[{"low":{"value":4.00,"unit":"%s"},"high":{"value":6.00,"unit":"%s"}}]}'
        % (size, number, number + 1, number % 28 + 1, number, code, display, display, PATIENTS[size], number % 9,
           number % 28 + 1, number % 28 + 1, number % 3, VALUES[number % len(VALUES)], unit, unit, unit, unit)
    )


def searchset(size, base):
    entries = ",".join(
        '{"fullUrl":"%s/Observation/obs-%s-%04d","resource":%s,"search":{"mode":"match"}}'
        % (base, size, number, observation(size, number))
        for number in range(ENTRIES[size])
    )
    return (
        '{"resourceType":"Bundle","type":"searchset","total":%d,"link":[{"relation":"self","url":"%s/Observation?'
        'patient=%s"}],"entry":[%s]}' % (ENTRIES[size], base, PATIENTS[size], entries)
    )


def bodies(base):
    """Path and query as the gateway asks its upstream for them, and the body."""
    path = {"/fhir/Observation/obs-small-0003": observation("small", 3)}
    for size, upstream in PATIENTS.items():
        path[f"/fhir/Patient/{upstream}"] = patient(size)
        path[f"/fhir/Observation?patient=Patient%2F{upstream}&_count={PAGE_SIZES[size]}"] = searchset(size, base)
    return path


# The same questions, as they are put to the upstream itself and to nginx before it.
UPSTREAM_PATHS = {
    "read Patient": "/fhir/Patient/pt-small",
    "read Observation": "/fhir/Observation/obs-small-0003",
    "search 30 KB": "/fhir/Observation?patient=Patient%2Fpt-small&_count=50",
    "search 300 KB": "/fhir/Observation?patient=Patient%2Fpt-large&_count=200",
}
