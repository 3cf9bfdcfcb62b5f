// Passkeys: browsers make and use them for scripts alone. Each button of class "passkey" is shown where the browser can.
"use strict";

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

async function post(path, doc) {
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(doc || {}) });
  const got = await answer.json();
  if (!answer.ok) throw new Error([got.reason + ".", got.next].join(" "));
  return got;
}

function described(list) {
  return (list || []).map((c) => ({ ...c, id: bytes(c.id) }));
}

async function use(options) {
  const key = { ...options.publicKey, challenge: bytes(options.publicKey.challenge), allowCredentials: described(options.publicKey.allowCredentials) };
  const made = await navigator.credentials.get({ publicKey: key });
  return {
    id: made.id, rawId: text(made.rawId), type: made.type, authenticatorAttachment: made.authenticatorAttachment || undefined, clientExtensionResults: made.getClientExtensionResults(),
    response: {
      clientDataJSON: text(made.response.clientDataJSON), authenticatorData: text(made.response.authenticatorData), signature: text(made.response.signature),
      userHandle: made.response.userHandle ? text(made.response.userHandle) : undefined,
    },
  };
}

async function make(options) {
  const o = options.publicKey;
  const key = { ...o, challenge: bytes(o.challenge), user: { ...o.user, id: bytes(o.user.id) }, excludeCredentials: described(o.excludeCredentials) };
  const made = await navigator.credentials.create({ publicKey: key });
  return {
    id: made.id, rawId: text(made.rawId), type: made.type, authenticatorAttachment: made.authenticatorAttachment || undefined, clientExtensionResults: made.getClientExtensionResults(),
    response: {
      clientDataJSON: text(made.response.clientDataJSON), attestationObject: text(made.response.attestationObject),
      transports: made.response.getTransports ? made.response.getTransports() : [],
    },
  };
}

async function run(button) {
  const { begin, finish, next } = button.dataset;
  const options = await post(begin);
  const name = button.form && button.form.elements.passkey ? button.form.elements.passkey.value : "";
  const credential = await (options.publicKey.user ? make(options) : use(options));
  const { to } = await post(finish, { next, name, credential });
  window.location.assign(to);
}

for (const button of document.querySelectorAll("button.passkey")) {
  if (!window.PublicKeyCredential) continue;
  button.closest("[hidden]")?.removeAttribute("hidden");
  button.addEventListener("click", async (e) => {
    e.preventDefault();
    const says = document.getElementById("passkey-says");
    says.textContent = "";
    button.disabled = true;
    try {
      await run(button);
    } catch (err) {
      says.textContent = err.name === "NotAllowedError" ? "Nothing was done: the browser was told to stop, or waited too long." :
        err.name === "InvalidStateError" ? "This device has a passkey for you already." : err.message;
    } finally {
      button.disabled = false;
    }
  });
}
