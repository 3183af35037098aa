// Where the app is opened: at its launch URL from the portal, or by itself with the FHIR base alone.
const isOpened = new URLSearchParams(location.search).has('launch');
const context = isOpened ? 'launch' : 'launch/patient';
FHIR.oauth2
  .authorize({ ...CLIENT, redirectUri: 'index.html', scope: `${context} openid fhirUser offline_access patient/*.rs` })
  .catch((error) => {
    const element = document.getElementById('problem');
    element.textContent = String(error.stack ?? error);
    element.hidden = false;
  });
