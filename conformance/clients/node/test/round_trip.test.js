// What a client written by others sends, it gets back.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { Client } from "fhir-kit-client";

import { signedIn, start } from "../server.js";

const SYSTEM = "urn:qingshan:suite";

const person = (mark, more = {}) => ({
  resourceType: "Patient",
  identifier: [{ system: SYSTEM, value: mark }],
  name: [{ text: "沈青禾", family: "沈", given: ["青禾"] }],
  gender: "female",
  birthDate: "1987-03-09",
  ...more,
});

const bare = ({ id, meta, ...rest }) => rest;

const status = (answer) => Client.httpFor(answer).response.status;

const refusedWith = (expected) => (error) => {
  assert.equal(error.response.status, expected);
  assert.equal(error.response.data.resourceType, "OperationOutcome");
  return true;
};

describe("fhir-kit-client against qingshan serve", () => {
  let server, client;

  before(async () => {
    server = await start();
    client = await signedIn(server);
  });
  after(() => server.stop());

  const make = (body) => client.create({ resourceType: body.resourceType, body });
  const find = (resourceType, searchParams) => client.resourceSearch({ resourceType, searchParams });

  test("what is created is read back as it was sent", async () => {
    const sent = person(randomUUID());
    const made = await make(sent);
    assert.equal(status(made), 201);
    const { response } = Client.httpFor(made);
    assert.match(response.headers.get("location"), new RegExp(`/Patient/${made.id}/_history/1$`));
    assert.equal(response.headers.get("etag"), 'W/"1"');
    assert.deepEqual(bare(await client.read({ resourceType: "Patient", id: made.id })), sent);
  });

  test("every version can be read after an update", async () => {
    const made = await make(person(randomUUID()));
    await client.update({ resourceType: "Patient", id: made.id, body: { ...made, gender: "other" } });
    const read = (version) => client.vread({ resourceType: "Patient", id: made.id, version });
    assert.equal((await read("1")).gender, "female");
    assert.equal((await read("2")).gender, "other");
  });

  test("a JSON Patch changes what it names", async () => {
    const made = await make(person(randomUUID()));
    const jsonPatch = [{ op: "replace", path: "/name/0/family", value: "陆" }];
    await client.patch({ resourceType: "Patient", id: made.id, jsonPatch });
    const read = await client.read({ resourceType: "Patient", id: made.id });
    assert.equal(read.name[0].family, "陆");
    assert.equal(read.meta.versionId, "2");
  });

  test("a deleted resource is gone, and its history tells how", async () => {
    const made = await make(person(randomUUID()));
    await client.delete({ resourceType: "Patient", id: made.id });
    await assert.rejects(client.read({ resourceType: "Patient", id: made.id }), refusedWith(410));
    const history = await client.resourceHistory({ resourceType: "Patient", id: made.id });
    assert.deepEqual(history.entry.map((entry) => entry.request.method), ["DELETE", "POST"]);
  });

  test("the histories of a type and of everything begin with what was done last", async () => {
    const made = await make(person(randomUUID()));
    for (const history of [await client.typeHistory({ resourceType: "Patient" }), await client.systemHistory()]) {
      assert.equal(history.type, "history");
      // The platform writes too, such as Tasks that ask whether two registrations are of one person.
      const patients = history.entry.filter((one) => one.resource?.resourceType === "Patient");
      assert.equal(patients[0].resource.id, made.id);
    }
  });

  test("a conditional update creates first and updates then", async () => {
    const mark = randomUUID();
    const searchParams = { identifier: `${SYSTEM}|${mark}` };
    const update = (body) => client.update({ resourceType: "Patient", searchParams, body });
    const [made, updated] = [await update(person(mark)), await update(person(mark, { active: true }))];
    assert.deepEqual([status(made), status(updated)], [201, 200]);
    assert.equal(updated.id, made.id);
    assert.equal((await find("Patient", searchParams)).entry.length, 1);
  });

  test("a conditional create makes one resource, however many ask at once", async () => {
    const mark = randomUUID();
    const options = { headers: { "If-None-Exist": `identifier=${SYSTEM}|${mark}` } };
    const asked = Array.from({ length: 8 }, () =>
      client.create({ resourceType: "Patient", body: person(mark), options }),
    );
    const made = await Promise.all(asked);
    assert.equal(new Set(made.map((one) => one.id)).size, 1);
    assert.equal(made.filter((one) => status(one) === 201).length, 1);
  });

  test("pages lead forward through everything that matches", async () => {
    const mark = randomUUID();
    const entry = Array.from({ length: 25 }, (_, number) => ({
      request: { method: "POST", url: "Patient" },
      resource: person(`${mark}-${number}`, { meta: { tag: [{ system: SYSTEM, code: mark }] } }),
    }));
    await client.transaction({ body: { resourceType: "Bundle", type: "transaction", entry } });
    const seen = [];
    let page = await find("Patient", { _tag: `${SYSTEM}|${mark}`, _count: 10, _sort: "-_lastUpdated" });
    while (page) {
      seen.push(...page.entry.map((one) => one.resource.id));
      page = await client.nextPage({ bundle: page });
    }
    assert.equal(seen.length, 25);
    assert.equal(new Set(seen).size, 25);
  });

  test("a search by POST finds what a search by GET finds", async () => {
    const mark = randomUUID();
    const made = await make(person(mark));
    const searchParams = { identifier: `${SYSTEM}|${mark}`, "name:contains": "青" };
    for (const postSearch of [false, true]) {
      const found = await client.resourceSearch({ resourceType: "Patient", searchParams, options: { postSearch } });
      assert.deepEqual(found.entry.map((one) => one.resource.id), [made.id]);
    }
  });

  test("a compartment holds what belongs to its patient", async () => {
    const [mine, other] = [await make(person(randomUUID())), await make(person(randomUUID()))];
    const about = (patient) =>
      make({
        resourceType: "Condition",
        code: { text: "咳嗽" },
        subject: { reference: `Patient/${patient.id}` },
      });
    const [condition] = [await about(mine), await about(other)];
    const found = await client.compartmentSearch({
      resourceType: "Condition",
      compartment: { resourceType: "Patient", id: mine.id },
    });
    assert.deepEqual(found.entry.map((one) => one.resource.id), [condition.id]);
    const everything = await client.operation({ name: "everything", resourceType: "Patient", id: mine.id, method: "GET" });
    const ids = everything.entry.map((one) => one.resource.id);
    assert.deepEqual(new Set(ids), new Set([mine.id, condition.id]));
  });

  test("a transaction links what it makes", async () => {
    const fullUrl = `urn:uuid:${randomUUID()}`;
    const answer = await client.transaction({
      body: {
        resourceType: "Bundle",
        type: "transaction",
        entry: [
          {
            request: { method: "POST", url: "Condition" },
            resource: { resourceType: "Condition", code: { text: "咳嗽" }, subject: { reference: fullUrl } },
          },
          { fullUrl, request: { method: "POST", url: "Patient" }, resource: person(randomUUID()) },
        ],
      },
    });
    assert.equal(answer.type, "transaction-response");
    const [condition, patient] = answer.entry.map((one) => one.response.location.match(/(\w+\/[^/]+)\/_history/)[1]);
    const [resourceType, id] = condition.split("/");
    const read = await client.read({ resourceType, id });
    assert.equal(read.subject.reference, patient);
    const resolved = await client.resolve({ reference: read.subject.reference });
    assert.equal(resolved.resourceType, "Patient");
  });

  test("a batch answers each entry for itself", async () => {
    const answer = await client.batch({
      body: {
        resourceType: "Bundle",
        type: "batch",
        entry: [
          { request: { method: "POST", url: "Patient" }, resource: person(randomUUID()) },
          { request: { method: "GET", url: "Patient/nobody-of-this-name" } },
        ],
      },
    });
    assert.deepEqual(answer.entry.map((one) => one.response.status.slice(0, 3)), ["201", "404"]);
  });

  test("validation finds what is wrong and where", async () => {
    const validate = (input) => client.operation({ name: "validate", resourceType: "Patient", input });
    const severities = async (input) => {
      const outcome = await validate(input).catch((error) => error.response.data);
      assert.equal(outcome.resourceType, "OperationOutcome");
      return outcome.issue.filter((issue) => issue.severity === "error" || issue.severity === "fatal");
    };
    assert.deepEqual(await severities(person("a")), []);
    const [issue] = await severities(person("a", { birthDate: "1987-13-09" }));
    assert.deepEqual(issue.expression, ["Patient.birthDate"]);
  });

  test("an operation on a value set answers from the built-in definitions", async () => {
    const expansion = await client.operation({
      name: "expand",
      resourceType: "ValueSet",
      method: "GET",
      input: { url: "http://hl7.org/fhir/ValueSet/administrative-gender" },
    });
    const codes = expansion.expansion.contains.map((concept) => concept.code).sort();
    assert.deepEqual(codes, ["female", "male", "other", "unknown"]);
  });

  test("a client without a token, or with too narrow a scope, is refused", async () => {
    const stranger = new Client({ baseUrl: server.fhir });
    await assert.rejects(stranger.resourceSearch({ resourceType: "Patient" }), refusedWith(401));
    const reader = await signedIn(server, "system/Patient.rs");
    await reader.resourceSearch({ resourceType: "Patient" });
    await assert.rejects(reader.create({ resourceType: "Patient", body: person("x") }), refusedWith(403));
  });

  test("the capability statement offers what the client used", async () => {
    const statement = await client.capabilityStatement();
    assert.equal(statement.fhirVersion, "4.0.1");
    const system = statement.rest[0].interaction.map((interaction) => interaction.code);
    assert.ok(["transaction", "batch", "history-system"].every((code) => system.includes(code)), system.join());
  });
});
