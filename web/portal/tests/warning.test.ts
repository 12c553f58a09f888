import type { Protocol, QuestionnaireResponse, ResponseItem, RunView } from "@qingshan/client";
import { expect, test } from "vitest";
import { POSITION, positioned, type Drive } from "../src/ambulance/drive";
import { expectedOf, positionOf } from "../src/runs/position";
import { changesOf, readAt, unreadOf, versionsOf } from "../src/runs/warning";

const item = (linkId: string, text: string): ResponseItem => ({ linkId, answer: [{ valueString: text }] });
const response = (received: string, items: ResponseItem[], authored = received): QuestionnaireResponse =>
  ({ resourceType: "QuestionnaireResponse", status: "completed", authored, meta: { lastUpdated: received }, item: [{ linkId: "group", item: items }] }) as QuestionnaireResponse;

const first = response("2026-11-22T10:00:00Z", [item("suspected", "stroke"), item("eta", "10:20")]);
const second = response("2026-11-22T10:05:00Z", [item("eta", "10:25")]);
const third = response("2026-11-22T10:10:00Z", [item("eta", "10:30"), item("given", "aspirin")], "2026-11-22T10:03:00Z");
const versions = versionsOf(first, [
  { response: third, by: "Practitioner/c" },
  { response: second, by: "Practitioner/b" },
]);

test("versions stand in the order in which the record had them", () => {
  expect(versions.map(({ n, received }) => [n, received.slice(11, 16)])).toEqual([[1, "10:00"], [2, "10:05"], [3, "10:10"]]);
});

test("what a version leaves out is as it was; what it says is told as old and new, with who changed it last", () => {
  const changes = changesOf(versions.slice(0, 1), versions.slice(1));
  expect(changes.map(({ linkId, before, after, version }) => [linkId, before[0]?.valueString, after[0]?.valueString, version.by])).toEqual([
    ["eta", "10:20", "10:30", "Practitioner/c"],
    ["given", undefined, "aspirin", "Practitioner/c"],
  ]);
});

test("what was changed and changed back is not told as a change", () => {
  const back = versionsOf(first, [
    { response: second, by: undefined },
    { response: response("2026-11-22T10:11:00Z", [item("eta", "10:20")]), by: undefined },
  ]);
  expect(changesOf(back.slice(0, 1), back.slice(1))).toEqual([]);
});

test("what was written in a tunnel and arrived after the desk had read is not read", () => {
  const protocol = { step: [{ code: "reread", title: {}, who: "desk", requires: ["updated"], acknowledgements: 1 }] } as unknown as Protocol;
  const run = {
    milestones: [{ code: "read", n: 1, at: "2026-11-22T10:01:00Z", recorded: "2026-11-22T10:01:00Z", title: {} }],
    steps: [{ code: "reread", acknowledged: [{ by: "Practitioner/d", at: "2026-11-22T10:06:00Z" }] }],
  } as unknown as RunView;
  const read = readAt(run, protocol);
  expect(unreadOf(versions, read).map(({ n }) => n)).toEqual([3]);
  expect(unreadOf(versions, readAt({ milestones: [], steps: [] }, protocol)).length).toBe(3);
});

test("the newest position counts, and only one that was not sent waits on the tablet", () => {
  const drive = { letters: [] as Drive["letters"] } as Drive;
  const one = positioned(drive, { latitude: 31.2, longitude: 121.5 }, { id: "a", at: "2026-11-22T10:00:00Z" });
  const two = positioned(one, { latitude: 31.3, longitude: 121.6, accuracy: 12.3 }, { id: "b", at: "2026-11-22T10:00:25Z" });
  expect(two.letters.map(({ id }) => id)).toEqual(["b"]);
  const [letter] = two.letters;
  if (letter?.kind !== "finding") throw new Error("a position is a finding");
  const found = positionOf([letter.resource as never]);
  expect(found).toEqual({ latitude: 31.3, longitude: 121.6, at: Date.parse("2026-11-22T10:00:25Z") });
  expect(JSON.stringify(letter.resource)).toContain(POSITION);
  const parts = (letter.resource as unknown as { component: { valueQuantity: { value: number; code: string } }[] }).component;
  expect(parts.map(({ valueQuantity: { value, code } }) => [value, code])).toContainEqual([13, "m"]);
  expect(expectedOf([letter.resource as never])).toBeUndefined();
});
