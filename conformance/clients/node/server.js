// A running `qingshan serve` for a client written by others, with sign-in.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";

import { Client } from "fhir-kit-client";

const ROOT = path.resolve(import.meta.dirname, "../../..");
export const BINARY = process.env.QINGSHAN_BINARY ?? path.join(ROOT, "target/debug/qingshan");

/**
 * Starts a server with an empty record; `stop` ends it and clears it away.
 *
 * @param prepare is told the folder before the server starts, and gives further words for its command line
 */
export async function start(prepare = () => []) {
  const folder = mkdtempSync(path.join(tmpdir(), "qingshan-node."));
  const said = execFileSync(BINARY, ["client", "add", "--data", folder, "--id", "suite", "--scope", "system/*.cruds"], {
    encoding: "utf8",
  });
  const secret = said.trim();
  const words = ["serve", "--data", folder, "--listen", "127.0.0.1:0", ...prepare(folder)];
  const child = spawn(BINARY, words, {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const root = await address(child);
  const stop = async () => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    const code = await ended;
    rmSync(folder, { recursive: true });
    if (code !== 0) throw new Error(`the server ended with ${code}`);
  };
  return { root, fhir: `${root}/fhir`, secret, stop };
}

/** Where the server says that it listens. Goes on reading what it says, which would otherwise fill the pipe. */
function address(child) {
  return new Promise((resolve, reject) => {
    const told = [];
    createInterface({ input: child.stderr }).on("line", (line) => {
      told.push(line);
      const found = line.match(/listening at (http:\/\/[\d.:]+)\/fhir/);
      if (found) resolve(found[1]);
    });
    child.once("exit", () => reject(new Error(`the server did not start:\n${told.join("\n")}`)));
  });
}

/** A client that signed in by its secret, at the token endpoint the server itself names. */
export async function signedIn(server, scope = "system/*.cruds") {
  const configuration = await (await fetch(`${server.fhir}/.well-known/smart-configuration`)).json();
  const answer = await fetch(configuration.token_endpoint, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "client_credentials",
      client_id: "suite",
      client_secret: server.secret,
      scope,
    }),
  });
  const { access_token: bearerToken } = await answer.json();
  return new Client({ baseUrl: server.fhir, bearerToken });
}
