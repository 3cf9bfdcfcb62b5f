// An OpenID provider on oidc-provider, certified by the OpenID Foundation: it wants PKCE, keeps claims out of the ID token as the standard
// says, and asks its people by pages of its own. Whoever signs in is called by what they type; INTEROP_GROUPS says who is in which groups.
import { Provider } from "oidc-provider";
import { serve, token } from "./serve.mjs";

const groups = JSON.parse(process.env.INTEROP_GROUPS);

serve("", (origin) => {
  const provider = new Provider(origin, {
    clients: [{ client_id: "muster", client_secret: token, redirect_uris: [process.env.INTEROP_REDIRECT], response_types: ["code"], grant_types: ["authorization_code"] }],
    pkce: { required: () => true },
    scopes: ["openid", "profile", "email", "groups"],
    claims: { openid: ["sub"], profile: ["preferred_username", "name"], email: ["email"], groups: ["groups"] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: `${id}@example.org`, email: `${id}@example.org`, groups: groups[id] ?? [] }) }),
    cookies: { keys: [token] },
  });
  return provider.callback();
});
