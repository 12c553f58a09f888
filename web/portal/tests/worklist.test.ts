import type { Task } from "@qingshan/client";
import { expect, test } from "vitest";
import { leftAt, levelAt, mostUrgent, nextPoint, placesOn } from "../src/runs/clock";
import { conceptIn, say } from "../src/runs/words";
import { next, own, ownersOf, patched, rowsOf, search, sorted, type Row, type Shown } from "../src/work/worklist";

const row = (id: string, end?: string, priority?: string): Row => {
  const task: Task = { resourceType: "Task", id, status: "ready", intent: "order", ...(priority && { priority }) };
  if (end !== undefined) task.restriction = { period: { end } };
  return { ...(rowsOf([task], [])[0] as Row) };
};
const ids = (shown: Pick<Shown, "rows">) => shown.rows.map((one) => one.task.id);
const empty: Shown = { rows: [], gone: new Set(), waiting: 0 };
const early = row("early", "2026-11-22T08:00:00Z");
const late = row("late", "2026-11-22T10:00:00+08:00");
const never = row("never");

test("what breaks first comes first, whatever offset its time is written with, and what has no clock comes last", () => {
  expect(ids({ rows: sorted([never, early, late]) })).toEqual(["late", "early", "never"]);
  expect(ids({ rows: sorted([row("a", undefined, "routine"), row("b", undefined, "stat")]) })).toEqual(["b", "a"]);
});

test("under the pointer nothing moves: what is done stays and says so, what is new waits to be shown", () => {
  const before = next(empty, [early, never], false);
  const held = next(before, [late, never], true);
  expect(ids(held)).toEqual(["early", "never"]);
  expect([...held.gone]).toEqual(["early"]);
  expect(held.waiting).toBe(1);
  expect(ids(next(held, [late, never], false))).toEqual(["late", "never"]);
});

test("a row that somebody took shows it where it stands", () => {
  const before = next(empty, [early, late], false);
  const taken = { ...late, task: { ...late.task, status: "in-progress" } };
  const held = next(before, [taken, early], true);
  expect(held.rows.map((one) => one.task.status)).toEqual(["in-progress", "ready"]);
  expect(held.waiting).toBe(0);
});

test("what arrives in an empty list is shown at once, also while the pointer rests there", () => {
  expect(ids(next(empty, [early], true))).toEqual(["early"]);
});

test("a changed Task stands in the list once, and not at all when it no longer belongs there", () => {
  const pages = [{ rows: [early] }, { rows: [late, never] }];
  expect(patched(pages, new Set(["late"]), [late]).map(ids)).toEqual([["late", "early"], ["never"]]);
  expect(patched(pages, new Set(["late"]), []).map(ids)).toEqual([["early"], ["never"]]);
});

test("mine is what is of my post or of me, my institution's what is of it or of its departments", () => {
  const session = { practitioner: "lin", post: { role: "r", organization: "county" } };
  const known = { teams: ["t"], departments: ["ward"] };
  expect(ownersOf("mine", session, known)).toEqual(["PractitionerRole/r", "Practitioner/lin"]);
  expect(ownersOf("team", session, known)).toEqual(["CareTeam/t"]);
  expect(ownersOf("institution", session, known)).toEqual(["Organization/county", "Organization/ward"]);
  expect(ownersOf("institution", { post: undefined }, { teams: [], departments: [] })).toEqual([]);
});

test("a list asks for open steps of its owners and duties only, and for those of one protocol when it is narrowed", () => {
  const asked = search(["Organization/county"], ["nurse"], { protocol: "referral", priority: "urgent" });
  expect(asked.get("status")).toBe("ready,in-progress");
  expect(asked.get("owner")).toBe("Organization/county");
  expect(asked.get("performer")).toBe("https://qingshan.dev/fhir/CodeSystem/duty|nurse");
  expect(asked.get("part-of:Task.code")).toBe("https://qingshan.dev/fhir/CodeSystem/protocol|referral");
  expect(asked.get("priority")).toBe("urgent");
  expect(search(["Organization/county"], undefined, {}).has("performer")).toBe(false);
});

test("a row brings its patient and its run along, and knows its protocol", () => {
  const task: Task = {
    resourceType: "Task",
    id: "r.review.1",
    status: "ready",
    intent: "order",
    code: { coding: [{ system: "https://qingshan.dev/fhir/CodeSystem/step", code: "referral.review" }] },
    for: { reference: "Patient/p" },
    partOf: [{ reference: "Task/r" }],
    restriction: { period: { start: "2026-11-22T08:00:00Z", end: "2026-11-22T09:00:00Z" } },
  };
  const [found] = rowsOf([task], [{ resourceType: "Patient", id: "p" }, { resourceType: "Task", id: "r" }]);
  expect(found).toMatchObject({ protocol: "referral", patient: { id: "p" }, root: { id: "r" } });
  expect(found?.clock).toEqual({ warn: "2026-11-22T08:00:00Z", breach: "2026-11-22T09:00:00Z" });
});

test("what I took from my institution's work is mine, and what others took is not", () => {
  const taken = (id: string, by: string): Task => ({
    resourceType: "Task",
    id,
    status: "in-progress",
    intent: "order",
    owner: { reference: "Organization/county" },
    extension: [{ url: "https://qingshan.dev/fhir/StructureDefinition/run-by", valueString: by }],
  });
  const rows = rowsOf([taken("mine", "PractitionerRole/r"), taken("theirs", "PractitionerRole/s")], []);
  expect(ids({ rows: own(rows, ["PractitionerRole/r", "Practitioner/lin"]) })).toEqual(["mine"]);
});

const minute = (count: number) => new Date(Date.UTC(2026, 10, 22, 8, count)).toISOString();
const moment = (count: number) => Date.parse(minute(count));
const points = { target: minute(10), warn: minute(20), breach: minute(30) };

test("a clock passes its target, its warning and its limit at the moment it reaches them", () => {
  const levels = [0, 9, 10, 20, 29, 30, 99].map((count) => levelAt(points, moment(count)));
  expect(levels).toEqual(["running", "running", "target", "warn", "warn", "breach", "breach"]);
});

test("a clock that stopped was in time or late, one that was cut off is neither, one that is held has no time left to tell", () => {
  expect(levelAt({ ...points, stopped: minute(30) }, moment(99))).toBe("met");
  expect(levelAt({ ...points, stopped: minute(31) }, moment(99))).toBe("late");
  expect(levelAt({ ...points, stopped: minute(31), cut: true }, moment(99))).toBe("cut");
  expect(levelAt({ paused: minute(5) }, moment(99))).toBe("held");
  expect(levelAt({}, moment(99))).toBe("running");
  expect(leftAt({ ...points, stopped: minute(31) }, moment(99))).toBe(-60_000);
  expect(leftAt(points, moment(28))).toBe(120_000);
  expect(leftAt({ paused: minute(5) }, moment(6))).toBeUndefined();
  expect(leftAt({}, moment(6))).toBeUndefined();
});

test("of several clocks the one that breaks first counts, and those that stopped do not", () => {
  const stopped = { breach: minute(1), stopped: minute(0) };
  const slow = { breach: minute(50) };
  expect(mostUrgent([stopped, slow, points, {}])).toBe(points);
  expect(mostUrgent([stopped])).toBeUndefined();
  expect(nextPoint([stopped, slow, points], moment(12))).toBe(moment(20));
  expect(nextPoint([stopped], moment(12))).toBeUndefined();
});

test("a bar ends a little behind the limit, and the needle stays on it", () => {
  const clock = { ...points, began: minute(0) };
  const { needle, breach = 0, target = 0 } = placesOn(clock, moment(15));
  expect(target).toBeLessThan(needle);
  expect(needle).toBeLessThan(breach);
  expect(breach).toBeLessThan(1);
  expect(placesOn(clock, moment(500)).needle).toBe(1);
});

test("words are told in the reader's language, else in the other, and concepts by their translation", () => {
  expect(say("en", { zh: "审核", en: "Review" })).toBe("Review");
  expect(say("en", { zh: "审核" })).toBe("审核");
  expect(say("zh-CN", undefined)).toBe("");
  const lang = { url: "lang", valueCode: "en" };
  const translation = { url: "http://hl7.org/fhir/StructureDefinition/translation", extension: [lang, { url: "content", valueString: "Review" }] };
  const concept = { text: "审核", _text: { extension: [translation] } };
  expect(conceptIn("en", concept)).toBe("Review");
  expect(conceptIn("zh-CN", concept)).toBe("审核");
});
