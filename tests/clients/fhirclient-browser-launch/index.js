// Where the launch ends: what came, a read, and for those that the library can refresh, a refresh and a read after it.
function show(id, text) {
  const element = document.getElementById(id);
  element.textContent = text;
  element.hidden = false;
}

async function run() {
  const client = await FHIR.oauth2.ready();
  const { access_token: first, ...told } = client.state.tokenResponse;
  const seen = { told, patient: await client.patient.read(), fhirUser: client.user.fhirUser };
  if (client.encounter.id) seen.encounter = await client.encounter.read();
  // fhirclient proves itself with a key for the code only: it cannot refresh such an app.
  if (!client.state.clientPrivateJwk) {
    await client.refresh();
    seen.refreshed = client.state.tokenResponse.access_token !== first;
    seen.again = await client.patient.read();
  }
  show('record', JSON.stringify(seen));
}

run().catch((error) => show('problem', String(error.stack ?? error)));
