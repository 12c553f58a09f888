// An app of others in a browser: fhirclient starts, is let in for one patient, renews and is ended.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Page } from "playwright-core";
import { afterAll, expect, test } from "vitest";
import { play, raise } from "../src/stage";

const SCOPE = "launch/patient patient/*.rs openid fhirUser offline_access";

/** The library as its makers built it for browsers; installed as a package it would bring a thousand others. */
const LIBRARY = "fhirclient@2.6.3";
const DIGEST = "CirZixcwWelbkIXxpxlNQx5+ZdJirl6F1s4y4yvA1X7hHAkr9n99aVHaMi0wX+97nATjKQ65X6NB5as/wZoJzg==";
const target = new URL("../../../target/clients/fhirclient", import.meta.url).pathname;

async function library(): Promise<Buffer> {
  const run = promisify(execFile);
  await mkdir(target, { recursive: true });
  const { stdout } = await run("npm", ["pack", LIBRARY, "--silent", "--pack-destination", target]);
  const packed = join(target, stdout.trim().split("\n").at(-1) ?? "");
  expect(createHash("sha512").update(await readFile(packed)).digest("base64")).toBe(DIGEST);
  await run("tar", ["-xzf", packed, "-C", target]);
  return readFile(join(target, "package/build/fhir-client.js"));
}

/** What fhirclient leaves on the page once the app is let in. */
interface Client {
  patient: { id: string };
  user: { fhirUser: string };
  state: { tokenResponse: { access_token: string; refresh_token: string } };
  request(address: string): Promise<{ id: string; total?: number }>;
  refresh(): Promise<{ tokenResponse: { access_token: string; refresh_token: string } }>;
}
declare global {
  interface Window {
    client: Client;
  }
}

let app: Server;
let appOrigin: string;

const show = play(async () => {
  const script = await library();
  app = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", appOrigin);
    const isScript = pathname === "/fhir-client.js";
    response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html; charset=utf-8");
    if (isScript) return response.end(script);
    const start = { clientId: "chart", scope: SCOPE, redirectUri: "/", iss: searchParams.get("iss"), pkceMode: "required" };
    const page =
      pathname === "/launch"
        ? `FHIR.oauth2.authorize(${JSON.stringify(start)})`
        : `FHIR.oauth2.ready().then((client) => { window.client = client; document.title = "ready"; }, (error) => { document.title = String(error); })`;
    return response.end(`<!doctype html><script src="/fhir-client.js"></script><script>${page}</script>`);
  });
  await new Promise<void>((listening) => app.listen(0, "127.0.0.1", listening));
  appOrigin = `http://127.0.0.1:${(app.address() as AddressInfo).port}`;
  const registered = ["--id", "chart", "--name", "生长曲线", "--scope", SCOPE, "--public", "--redirect-uri", `${appOrigin}/`];
  return raise([["client", "add", ...registered]]);
});

afterAll(() => {
  app?.close();
});

/** Starts the app as somebody who is signed in, and lets it in for the patient whose name begins so. */
async function letIn(page: Page, name: string): Promise<void> {
  await page.goto(`${appOrigin}/launch?iss=${encodeURIComponent(`${show.stage.origin}/fhir`)}`);
  await page.locator(".authorize input[type=search]").fill(name);
  await page.locator(".authorize input[type=search]").press("Enter");
  await page.locator(".authorize-patient input[type=radio]").first().check();
  await page.locator(".authorize .ant-btn-primary").click();
  await page.waitForURL((address) => address.origin === appOrigin);
  await page.waitForFunction(() => document.title !== "");
  expect(await page.title()).toBe("ready");
}

test("an app is let in for one patient, renews what it was given, and is ended", async () => {
  const page = await show.window("wu", { at: "县医院" });
  await letIn(page, "shan");
  const patient = await page.evaluate(() => window.client.patient.id);
  expect(await page.evaluate((id) => window.client.request(`Patient/${id}`).then((found) => found.id), patient)).toBe(patient);
  expect(await page.evaluate(() => window.client.user.fhirUser)).toContain("Practitioner/wu");
  const before = await page.evaluate(() => window.client.state.tokenResponse.refresh_token);
  const after = await page.evaluate(() => window.client.refresh().then((state) => state.tokenResponse.refresh_token));
  expect(after).not.toBe(before);
  expect(await page.evaluate((id) => window.client.request(`Patient/${id}`).then((found) => found.id), patient)).toBe(patient);
  const revoked = await page.evaluate(
    ([origin, token]) =>
      fetch(`${origin}/auth/revoke`, { method: "POST", body: new URLSearchParams({ client_id: "chart", token: token ?? "" }) }),
    [show.stage.origin, after],
  );
  expect(revoked).toBeDefined();
  const refused = await page.evaluate(
    (id) => window.client.request(`Patient/${id}`).then(() => "answered", () => "refused"),
    patient,
  );
  expect(refused).toBe("refused");
});

test("an app that is not let in is told so", async () => {
  const page = await show.window("shan", { locale: "en" });
  await page.goto(`${appOrigin}/launch?iss=${encodeURIComponent(`${show.stage.origin}/fhir`)}`);
  await page.locator(".authorize .ant-btn").first().click();
  await page.waitForURL((address) => address.origin === appOrigin);
  await page.waitForFunction(() => document.title !== "");
  expect(await page.title()).toContain("access_denied");
});
