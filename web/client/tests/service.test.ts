import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { Account, type Failure, Service } from "../src/index";

type Reply = { status?: number; body: unknown; date?: string };
const servers: { close(): void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A server that answers as told and keeps what it was asked. */
async function serving(answer: (request: IncomingMessage, body: string) => Reply) {
  const seen: { method: string; url: string; headers: IncomingMessage["headers"]; body: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += String(piece);
    seen.push({ method: request.method ?? "", url: request.url ?? "", headers: request.headers, body });
    const reply = answer(request, body);
    response.writeHead(reply.status ?? 200, { "Content-Type": "application/fhir+json", ...(reply.date && { Date: reply.date }) });
    response.end(typeof reply.body === "string" ? reply.body : JSON.stringify(reply.body));
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  servers.push(server);
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (cause: unknown) => cause as Failure,
  );

const credentials = { csrf: "c", purpose: "TREAT" };

const session = { account: "wu", name: "Wu", posts: [], csrf: "c", idleSeconds: 900, expires: "2026-01-01", demo: false, totp: false };

test("an attempt to sign in ends in one of the ways a person can act on", async () => {
  let reply: Reply = { body: session };
  const { origin, seen } = await serving(() => reply);
  const account = new Account(origin);
  const attempt = (status: number, body: unknown) => {
    reply = { status, body };
    return account.signIn("wu", "a+b&c");
  };
  expect(await attempt(200, session)).toEqual({ kind: "in", session });
  expect(JSON.parse(seen[0]?.body ?? "")).toEqual({ login: "wu", password: "a+b&c" });
  expect(await attempt(401, { code: "wrong" })).toEqual({ kind: "wrong" });
  expect(await attempt(401, { code: "totp-needed" })).toEqual({ kind: "totpNeeded" });
  expect(await attempt(423, { code: "locked", retryAfter: 600 })).toEqual({ kind: "locked", retryAfter: 600 });
  expect(await attempt(409, { code: "change-password" })).toEqual({ kind: "changePassword" });
  expect((await failure(attempt(503, {})))?.kind).toBe("busy");
});

test("nobody being signed in is an answer, and a place without a demonstration has no cast", async () => {
  const { origin } = await serving((request) => ({ status: request.url === "/auth/session?peek" ? 401 : 404, body: {} }));
  expect(await new Account(origin).session(true)).toBeUndefined();
  expect(await new Account(origin).cast()).toEqual([]);
});

test("a request that changes something shows that this page sent it, and every request says why", async () => {
  const { origin, seen } = await serving(() => ({ body: { resourceType: "Parameters" } }));
  const service = new Service(origin, { csrf: "secret", purpose: "PATRQT" });
  await service.operation("Patient/1/$person");
  await service.operation("Patient/1/$break-glass", { resourceType: "Parameters" });
  expect(seen.map((request) => [request.method, request.headers["x-csrf-token"], request.headers["x-purpose-of-use"]])).toEqual([
    ["GET", undefined, "PATRQT"],
    ["POST", "secret", "PATRQT"],
  ]);
});

test("nobody answering is offline", async () => {
  const { origin } = await serving(() => ({ body: {} }));
  for (const server of servers.splice(0)) server.close();
  expect((await failure(new Service(origin, credentials).read("Patient", "1")))?.kind).toBe("offline");
});

test("a search keeps matches apart from what else the bundle holds, and knows its next page", async () => {
  const { origin, seen } = await serving((request) => ({
    body: {
      resourceType: "Bundle",
      type: "searchset",
      link: request.url?.includes("page=2") ? [] : [{ relation: "next", url: "https://proxy.example/x/fhir/Patient?page=2" }],
      entry: [
        { resource: { resourceType: "Patient", id: "1" }, search: { mode: "match" } },
        { resource: { resourceType: "OperationOutcome" }, search: { mode: "outcome" } },
      ],
    },
  }));
  const service = new Service(origin, credentials);
  const first = await service.search("Patient", { name: "单 三" });
  expect(first.found.map((patient) => patient.id)).toEqual(["1"]);
  const second = await service.page(first.next ?? "");
  expect(second.next).toBeUndefined();
  expect(seen.map((request) => request.url)).toEqual([
    "/fhir/Patient?name=%E5%8D%95+%E4%B8%89",
    "/fhir/Patient?page=2",
  ]);
});

test("of several searches asked at once, a refused one does not hide the others", async () => {
  const { origin, seen } = await serving(() => ({
    body: {
      resourceType: "Bundle",
      type: "batch-response",
      entry: [
        { response: { status: "200 OK" }, resource: { resourceType: "Bundle", type: "searchset" } },
        {
          response: {
            status: "403",
            outcome: { resourceType: "OperationOutcome", issue: [{ severity: "error", code: "forbidden" }] },
          },
        },
      ],
    },
  }));
  const answers = await new Service(origin, credentials).pages(["Encounter?patient=1", "/fhir/Condition?patient=1"]);
  expect(answers.map((answer) => ("failure" in answer ? answer.failure.kind : answer.page.found))).toEqual([[], "refused"]);
  const asked = JSON.parse(seen[0]?.body ?? "{}") as { entry: { request: { url: string } }[] };
  expect(asked.entry.map((entry) => entry.request.url)).toEqual(["Encounter?patient=1", "Condition?patient=1"]);
});

test("what must be corrected is told with its place", async () => {
  const outcome = {
    resourceType: "OperationOutcome",
    issue: [{ severity: "error", code: "value", diagnostics: "Not a date.", expression: ["Patient.birthDate"] }],
  };
  const { origin } = await serving(() => ({ status: 422, body: outcome }));
  const found = await failure(new Service(origin, credentials).createOnce({ resourceType: "Patient", id: "1" }));
  expect(found?.kind).toBe("invalid");
  expect(found?.issues).toEqual([{ text: "Not a date.", at: "Patient.birthDate" }]);
});

test("a session that is no longer known is reported once, to whoever keeps the session", async () => {
  const { origin } = await serving(() => ({ status: 401, body: {} }));
  let times = 0;
  const service = new Service(origin, credentials, () => times++);
  expect((await failure(service.read("Patient", "1")))?.kind).toBe("signedOut");
  expect(times).toBe(1);
});

test("creating unless it exists says which of the two happened", async () => {
  let status = 201;
  const { origin, seen } = await serving(() => ({ status, body: { resourceType: "Patient", id: "1" } }));
  const service = new Service(origin, credentials);
  const create = () => service.createUnless({ resourceType: "Patient" }, { identifier: "urn:x|1" });
  expect((await create()).isNew).toBe(true);
  status = 200;
  expect((await create()).isNew).toBe(false);
  expect(seen[0]?.headers["if-none-exist"]).toBe("identifier=urn%3Ax%7C1");
});

test("a device whose clock is wrong knows by how much, and one that is a second off takes that for the line", async () => {
  let date = new Date(Date.now() + 600_000).toUTCString();
  const { origin } = await serving(() => ({ body: [], date }));
  const service = new Service(origin, credentials);
  expect(service.behind).toBe(0);
  await service.json("GET", "/protocols");
  expect(Math.abs(service.behind - 600_000)).toBeLessThan(60_000);
  date = new Date().toUTCString();
  await service.json("GET", "/protocols");
  expect(service.behind).toBe(0);
});
