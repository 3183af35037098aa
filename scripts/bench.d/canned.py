"""The upstream's bodies: a Patient of about 1 KB, Observations of about 1.2 KB each, searchsets of 30 KB and 300 KB.

Written as text, not through a JSON library: number forms such as 6.3 and 1e-3 must survive the gateway unchanged.
"""

# Workload: whose record, and the path below the FHIR base as a client of the gateway asks. What stands in braces are ids
# that the gateway gave out.
WORKLOADS = {
    "read Patient": ("small", "/Patient/{person}"),
    "read Observation": ("small", "/Observation/{key}.{observation}"),
    "search 30 KB": ("small", "/Observation?patient={person}"),
    "search 300 KB": ("large", "/Observation?patient={person}&_count=500"),
}

# The same questions, as they are put to the upstream itself and to nginx before it. The gateway asks for pages of 200:
# with terms of release it may have to sift.
UPSTREAM_PATHS = {
    "read Patient": "/fhir/Patient/{patient}",
    "read Observation": "/fhir/Observation/{observation}",
    "search 30 KB": "/fhir/Observation?patient=Patient%2F{patient}&_count=200",
    "search 300 KB": "/fhir/Observation?patient=Patient%2F{patient}&_count=200",
}

# Records of each size. Requests go through them in turn: were all connections to ask the same at the same time, the
# gateway would ask its upstream once for all of them, and a hot record would be measured.
PEOPLE = {"small": 32, "large": 16}
ENTRIES = {"small": 25, "large": 256}
VALUES = ["6.30", "5.1", "1e-3", "120", "98.60", "0.0010", "7.0", "310"]
CODES = [
    ("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%"),
    ("2345-7", "Glucose [Mass/volume] in Serum or Plasma", "mg/dL"),
    ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL"),
    ("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL"),
]


def patient_id(size, person):
    return f"pt-{size}-{person:02}"


def observation_id(size, person, number=3):
    return f"obs-{size}-{person:02}-{number:04}"


def patient(size, person):
    return (
        '{"resourceType":"Patient","id":"%s","meta":{"versionId":"7","lastUpdated":"2026-03-02T09:15:00.000+01:00"},'
        '"text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\">Ines Halvorsen, born 1984'
        '-11-05</div>"},"identifier":[{"use":"usual","type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem'
        '/v2-0203","code":"MR"}]},"system":"urn:oid:1.2.36.146.595.217.0.1","value":"4711-%s"}],"active":true,"name":[{'
        '"use":"official","family":"Halvorsen","given":["Ines","Marit"]},{"use":"maiden","family":"Lindqvist","given":['
        '"Ines"]}],"telecom":[{"system":"phone","value":"+1 555 0143","use":"mobile"},{"system":"email","value":"ines'
        '@example.org"}],"gender":"female","birthDate":"1984-11-05","address":[{"use":"home","line":["12 Harbour Row"'
        '],"city":"Northport","postalCode":"04101","country":"US"}],"communication":[{"language":{"coding":[{"system":'
        '"urn:ietf:bcp:47","code":"en"}]},"preferred":true}]}' % (patient_id(size, person), size)
    )


def observation(size, person, number):
    code, display, unit = CODES[number % len(CODES)]
    return (
        '{"resourceType":"Observation","id":"%s","meta":{"versionId":"%d","lastUpdated":"2026-02-%02dT08:00:0'
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
        % (observation_id(size, person, number), number + 1, number % 28 + 1, number, code, display, display,
           patient_id(size, person), number % 9, number % 28 + 1, number % 28 + 1, number % 3,
           VALUES[number % len(VALUES)], unit, unit, unit, unit)
    )


def searchset(size, person, base):
    entries = ",".join(
        '{"fullUrl":"%s/Observation/%s","resource":%s,"search":{"mode":"match"}}'
        % (base, observation_id(size, person, number), observation(size, person, number))
        for number in range(ENTRIES[size])
    )
    return (
        '{"resourceType":"Bundle","type":"searchset","total":%d,"link":[{"relation":"self","url":"%s/Observation?'
        'patient=%s"}],"entry":[%s]}' % (ENTRIES[size], base, patient_id(size, person), entries)
    )


def bodies(base):
    """Path and query as the gateway asks its upstream for them, and the body."""
    found = {}
    for size, people in PEOPLE.items():
        for person in range(people):
            names = {"patient": patient_id(size, person), "observation": observation_id(size, person)}
            body = {
                "read Patient": lambda: patient(size, person),
                "read Observation": lambda: observation(size, person, 3),
                "search 30 KB": lambda: searchset(size, person, base),
                "search 300 KB": lambda: searchset(size, person, base),
            }
            for name, (its_size, _) in WORKLOADS.items():
                if its_size == size:
                    found[UPSTREAM_PATHS[name].format(**names)] = body[name]()
    return found
