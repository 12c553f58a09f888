import type { ResponseItem, RunStep, RunView } from "@qingshan/client";
import { expect, test } from "vitest";
import { casesOf } from "../src/board/board";
import { announcement, awaited, told, type Announced, type Complaint } from "../src/mine/announcing";
import { gradeOf, gradingOf, isHere, lacksReason, levelAt, outcomeOf, queued, verdictOf } from "../src/triage/triage";

const words = (zh: string) => ({ zh });
const step = { outcomes: ["one", "two", "three", "four-a", "four-b"].map((code) => ({ code, title: words(code) })) };
const level = (linkId: string, value: number): ResponseItem => ({ linkId, answer: [{ valueInteger: value }] });

test("the level is what the form computes, and the rules that gave it are told", () => {
  const items = [level("rule-systolic", 1), level("rule-hr", 4), { linkId: "group", item: [level("rule-spo2", 1), level("local", 1)] }];
  expect(verdictOf(items)).toEqual({ computed: 1, hasReason: false, fired: ["rule-systolic", "rule-spo2"] });
  expect(verdictOf([level("rule-hr", 4)])).toEqual({ computed: undefined, hasReason: false, fired: [] });
  expect(verdictOf([level("level", 3)]).computed).toBe(3);
});

test("a level leads to its first outcome, and parts of the last level are of that level", () => {
  expect(outcomeOf(step, 1)).toBe("one");
  expect(outcomeOf(step, 4)).toBe("four-a");
  expect(outcomeOf(step, undefined)).toBeUndefined();
  expect([0, 1, 2, 3, 4].map(levelAt)).toEqual([1, 2, 3, 4, 4]);
});

test("whoever grades otherwise than what was measured says why", () => {
  const computed = { computed: 4, hasReason: false, fired: [] };
  expect(lacksReason(step, "four-b", computed)).toBe(false);
  expect(lacksReason(step, "two", computed)).toBe(true);
  expect(lacksReason(step, "two", { ...computed, hasReason: true })).toBe(false);
  expect(lacksReason(step, "three", { computed: undefined, hasReason: false, fired: [] })).toBe(true);
});

const doing = (code: string, state: RunStep["state"], form?: string): RunStep => ({
  code,
  title: words(code),
  n: 1,
  state,
  requires: [],
  missing: [],
  outcomes: [],
  may: true,
  ...(form !== undefined && { form }),
});
const protocol = {
  code: "triage",
  version: "1",
  title: words("triage"),
  class: ["one", "two", "three", "four-a"].map((code) => ({ code, title: words(code), priority: "stat" })),
  step: [
    { code: "triage", title: words("triage"), who: "nurse", form: "assess" },
    { code: "again", title: words("again"), who: "nurse", form: "assess" },
  ],
};
const protocolOf = () => protocol;
const run = (id: string, rest: Partial<RunView>): RunView => ({
  id,
  protocol: { code: "triage", version: "1", title: words("triage") },
  patient: { reference: `Patient/${id}` },
  chain: id,
  began: "2026-11-22T03:00:00Z",
  now: "2026-11-22T03:00:00Z",
  milestones: [{ code: "arrived", title: words("arrived"), n: 1, at: "2026-11-22T03:00:00Z", recorded: "2026-11-22T03:00:00Z" }],
  steps: [],
  clocks: [],
  summary: [],
  blocking: [],
  ...rest,
});

test("the gravest stand first, then who is not graded yet, and within a level who is to be looked at again", () => {
  const graded = (id: string, code: string, steps: RunStep[] = []) => run(id, { class: { code, title: words(code) }, steps });
  const views = [
    graded("three", "three"),
    graded("one", "one"),
    graded("again", "three", [doing("again", "ready", "assess")]),
    run("new", { steps: [doing("triage", "ready", "assess")] }),
  ];
  const cases = casesOf(views.map((view) => ({ run: view, patient: undefined, readAt: 0 })));
  expect(queued(cases, protocolOf, 0).map(({ runs: [first] }) => first?.id)).toEqual(["one", "new", "again", "three"]);
  const again = cases.find(({ runs: [first] }) => first?.id === "again");
  expect(again && gradingOf(again, protocolOf)?.isAgain).toBe(true);
  expect(cases.map((one) => gradeOf(one, protocolOf))).toEqual([3, 1, 3, undefined]);
});

test("whoever is still on the road does not wait at the door", () => {
  const [road] = casesOf([{ run: run("road", { milestones: [] }), patient: undefined, readAt: 0 }]);
  expect(road && isHere(road, protocolOf)).toBe(false);
});

test("who announced themselves stands by how grave it sounds and then by when they are expected, and not for ever", () => {
  const at = (minutes: number) => Date.parse("2026-05-04T08:00:00Z") + minutes * 60_000;
  const one = (id: string, complaint: Complaint, expected: number) =>
    announcement({ id, patient: "p", hospital: "h", complaint, label: complaint, words: "", now: at(0), expected: at(expected) });
  const all = [one("late", "fever", 60), one("soon", "belly", 15), one("chest", "chest", 60)];
  expect(awaited(all, at(0)).map(({ id }) => id)).toEqual(["chest", "soon", "late"]);
  expect(awaited(all, at(14 + 2 * 60)).length).toBe(3);
  expect(awaited(all, at(16 + 2 * 60)).map(({ id }) => id)).toEqual(["chest", "late"]);
  expect(awaited([{ ...all[0], status: "completed" } as Announced], at(0))).toEqual([]);
  expect(told(one("a", "chest", 15))).toMatchObject({ complaint: "chest", hospital: "h", expected: at(15), words: undefined });
});
