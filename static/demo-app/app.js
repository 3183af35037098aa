// A SMART standalone launch as any third-party app does it (SMART App Launch 2.2), without a library.
const status = document.getElementById("status");
const record = document.getElementById("record");
const connect = document.getElementById("connect");
const here = location.origin + "/";

const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)))
  .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

async function json(url, options) {
  const response = await fetch(url, options);
  const body = await response.json();
  if (!response.ok) throw new Error(body.error_description ?? body.issue?.[0]?.details?.text ?? response.statusText);
  return body;
}

async function launch(app, smart) {
  const verifier = random(), state = random();
  sessionStorage.setItem("launch", JSON.stringify({ verifier, state }));
  const challenge = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  location.assign(smart.authorization_endpoint + "?" + new URLSearchParams({
    response_type: "code", client_id: app.client_id, redirect_uri: here, aud: app.fhir, state,
    scope: "launch/patient openid fhirUser patient/*.rs",
    code_challenge: base64url(challenge), code_challenge_method: "S256",
  }));
}

async function redeem(app, smart, answer) {
  const kept = JSON.parse(sessionStorage.getItem("launch") ?? "{}");
  sessionStorage.removeItem("launch");
  history.replaceState(null, "", here);
  if (answer.get("error")) throw new Error(answer.get("error_description") ?? answer.get("error"));
  if (!kept.state || answer.get("state") !== kept.state) throw new Error("This answer was not asked for here.");
  return json(smart.token_endpoint, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "authorization_code", code: answer.get("code"), redirect_uri: here,
      client_id: app.client_id, code_verifier: kept.verifier,
    }),
  });
}

function add(parent, name, text, className) {
  const element = document.createElement(name);
  if (text) element.textContent = text;
  if (className) element.className = className;
  parent.append(element);
  return element;
}

const words = (concept) => concept?.text ?? concept?.coding?.find((c) => c.display)?.display ?? concept?.coding?.[0]?.code;
const quantity = (q) => (q ? `${q.value} ${q.unit ?? ""}` : "");

const views = [
  ["Conditions", "Condition?_sort=-recorded-date", (r) => [words(r.code), words(r.clinicalStatus), r.onsetDateTime ?? r.recordedDate]],
  ["Medications", "MedicationRequest?_sort=-authoredon", (r) =>
    [words(r.medicationCodeableConcept) ?? r.medicationReference?.display ?? words(r.contained?.find((c) => c.code)?.code),
      r.status, r.authoredOn]],
  ["Laboratory", "Observation?category=laboratory&_sort=-date&_count=25", (r) =>
    [words(r.code), quantity(r.valueQuantity) || words(r.valueCodeableConcept), r.effectiveDateTime]],
  ["Appointments", "Appointment?_sort=-date", (r) => [r.description ?? words(r.serviceType?.[0]), r.status, r.start]],
  ["Messages", "Communication?_sort=-sent", (r) => [words(r.topic), r.payload?.[0]?.contentString, r.sent]],
];

async function show(app, token) {
  const read = (path) => json(`${app.fhir}/${path}`, { headers: { Authorization: `Bearer ${token.access_token}` } });
  const patient = await read(`Patient/${token.patient}`);
  // Each chart is a source record; its id begins with the key of the practice it lives at.
  const practices = new Map();
  for (const link of patient.link ?? []) {
    const source = await read(link.other.reference);
    practices.set(source.id.split(".")[0], source.managingOrganization?.display ?? source.id.split(".")[0]);
  }
  const name = patient.name?.[0];
  status.textContent = `${name?.text ?? [name?.given?.join(" "), name?.family].join(" ")}, born ${patient.birthDate}: ` +
    `one record from ${[...practices.values()].join(" and ")}.`;
  for (const [title, query, cells] of views) {
    const bundle = await read(query);
    const section = add(record, "section");
    // A wide table is scrolled sideways, by keyboard as well.
    section.tabIndex = 0;
    section.setAttribute("aria-label", title);
    add(section, "h2", bundle.total === undefined ? title : `${title} (${bundle.total})`);
    const table = add(add(section, "table"), "tbody");
    for (const { resource, search } of bundle.entry ?? []) {
      if (search.mode === "outcome") {
        add(section, "p", resource.issue.map((i) => i.details?.text).join(" "), "missing");
        continue;
      }
      const row = add(table, "tr");
      for (const cell of cells(resource)) add(row, "td", cell ?? "");
      add(row, "td", practices.get(resource.id.split(".")[0]), "source");
    }
  }
}

async function main() {
  const app = await json("/app.json");
  const smart = await json(`${app.fhir}/.well-known/smart-configuration`);
  const answer = new URLSearchParams(location.search);
  if (answer.has("code") || answer.has("error")) return show(app, await redeem(app, smart, answer));
  connect.hidden = false;
  connect.addEventListener("click", () => launch(app, smart));
}

main().catch((error) => { status.textContent = `That did not work: ${error.message}`; });
