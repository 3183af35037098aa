// Passkeys: asks the browser for a key, and sends its answer with the form. Everything else on the pages works without it.
"use strict";
(() => {
  const form = document.querySelector("form[data-passkey]");
  if (!form || !window.PublicKeyCredential) return;
  const data = form.dataset;
  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const problem = form.querySelector("[data-problem]");
  const ask = () => {
    const challenge = bytes(data.challenge);
    if (data.passkey === "use") {
      return navigator.credentials.get({
        publicKey: { challenge, rpId: data.party, userVerification: "required", timeout: 300000 },
      });
    }
    const known = data.known.split(" ").filter(Boolean).map((id) => ({ type: "public-key", id: bytes(id) }));
    return navigator.credentials.create({
      publicKey: {
        challenge,
        rp: { id: data.party, name: data.site },
        user: { id: new TextEncoder().encode(data.account), name: data.username, displayName: data.username },
        pubKeyCredParams: [-7, -8, -257].map((alg) => ({ type: "public-key", alg })),
        excludeCredentials: known,
        authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
        attestation: "none",
        timeout: 300000,
      },
    });
  };
  form.querySelector("button").disabled = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.hidden = true;
    try {
      const made = await ask();
      const answer = {
        id: text(made.rawId),
        challenge: data.challenge,
        client_data: text(made.response.clientDataJSON),
      };
      if (data.passkey === "use") {
        answer.authenticator_data = text(made.response.authenticatorData);
        answer.signature = text(made.response.signature);
      } else {
        answer.attestation = text(made.response.attestationObject);
      }
      form.elements.answer.value = JSON.stringify(answer);
      form.submit();
    } catch {
      problem.hidden = false;
    }
  });
})();
