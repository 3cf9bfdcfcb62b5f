// Better Auth with its SCIM plugin, in memory: a careful service provider with a narrow reading of the RFCs.
import { webcrypto } from "node:crypto";
import { serve, token } from "./serve.mjs";

globalThis.crypto ??= webcrypto; // Node 18, Debian 12's, has it under this name alone; Better Auth needs it when it loads

const { betterAuth } = await import("better-auth");
const { memoryAdapter } = await import("better-auth/adapters/memory");
const { getAuthTables } = await import("better-auth/db");
const { toNodeHandler } = await import("better-auth/node");
const { scim } = await import("@better-auth/scim");

serve("/api/auth/scim/v2", (origin) => {
  const options = {
    baseURL: origin,
    secret: webcrypto.randomUUID() + webcrypto.randomUUID(),
    telemetry: { enabled: false },
    rateLimit: { enabled: false },
    plugins: [scim({ connections: [{ id: "muster", credentials: [{ type: "bearer", id: "test", token }] }] })],
  };
  const tables = Object.values(getAuthTables(options)).map(({ modelName }) => [modelName, []]);
  const auth = betterAuth({ ...options, database: memoryAdapter(Object.fromEntries(tables)) });
  const handle = toNodeHandler(auth);

  // One request after the other: the memory adapter has no unique index, so two simultaneous creates of one person would
  // both succeed, which no database behind this plugin would do.
  let last = Promise.resolve();
  return (request, response) => {
    last = last.then(() => handle(request, response)).catch((failure) => response.destroy(failure));
  };
});
