// What the servers of this folder share: a free loopback port, one line that says where they listen, and an end.
//
// The Go test that starts a server holds the other end of its standard input. When the test ends, or is killed, that pipe
// closes and the server goes too.
import { createServer } from "node:http";

/** The bearer token that the Go side chose. */
export const token = process.env.INTEROP_TOKEN;

/**
 * Listens on a free port of 127.0.0.1 and prints the SCIM endpoint.
 * @param {string} path - where the SCIM endpoint lies on the server
 * @param {(origin: string) => import("node:http").RequestListener} handler - made once the port is known
 */
export function serve(path, handler) {
  if (!token) throw new Error("INTEROP_TOKEN is not set");
  process.stdin.on("end", () => process.exit(0)).resume();
  const server = createServer();
  server.listen(0, "127.0.0.1", () => {
    const origin = `http://127.0.0.1:${server.address().port}`;
    server.on("request", handler(origin));
    console.log(`listening on ${origin}${path}`);
  });
}
