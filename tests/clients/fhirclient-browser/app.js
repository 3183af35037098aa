// The whole app: launch, then read. What it is to know is in its own address: ?iss=…&client=… at the first visit.
const TYPES = ['Observation', 'MedicationRequest', 'Appointment', 'Communication', 'Condition'];
const given = new URLSearchParams(location.search);

async function run() {
  const client = await FHIR.oauth2.init({
    iss: given.get('iss') ?? undefined,
    clientId: given.get('client') ?? undefined,
    redirectUri: 'index.html',
    scope: 'launch/patient openid fhirUser offline_access patient/*.rs',
  });
  const record = { Patient: await client.patient.read() };
  for (const type of TYPES) {
    record[type] = await client.request(`${type}?patient=${client.patient.id}`, { pageLimit: 0, flat: true });
  }
  show('record', JSON.stringify({ patient: client.patient.id, fhirUser: client.user.fhirUser, record }));
}

function show(id, text) {
  const element = document.getElementById(id);
  element.textContent = text;
  element.hidden = false;
}

run().catch((error) => show('problem', String(error.stack ?? error)));
