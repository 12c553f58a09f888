import type { FigureTable, RunStep, RunView } from "@qingshan/client";
import { expect, test } from "vitest";
import { told } from "../src/mine/underWay";
import { behind, cellAt, csvField, csvOf, daysOf, meets, periodOf, showFigure, valuesNamed } from "../src/protocols/figures";
import { begin, happened, later, logOf, nextDue, played, undone, waysOf } from "../src/protocols/rehearsal";
import { missingRoles, ownRole, startsFor, type Role } from "../src/protocols/start";

const MINUTE = 60_000;
const start = Date.parse("2026-11-22T08:00:00Z");
const words = (zh: string) => ({ zh, en: zh });
const step = (code: string, rest: Partial<RunStep> = {}): RunStep => ({
  code,
  title: words(code),
  n: 1,
  state: "ready",
  requires: [],
  missing: [],
  outcomes: [],
  may: false,
  ...rest,
});

test("what is done in a rehearsal happens at the time its clock shows, and time never runs back", () => {
  const script = happened(later(begin(start, "urgent", ["bed"]), 5 * MINUTE), { deed: "take", step: "review", n: 1 });
  const asked = played(later(script, -MINUTE));
  expect(asked.events).toEqual([{ at: "2026-11-22T08:05:00.000Z", deed: "take", step: "review", n: 1 }]);
  expect(asked).toMatchObject({ class: "urgent", began: "2026-11-22T08:00:00.000Z", facts: { bed: true }, now: "2026-11-22T08:05:00.000Z" });
});

test("undoing goes back to just before the last thing that was done, and then to the beginning", () => {
  const one = happened(later(begin(start, undefined, []), MINUTE), { deed: "take", step: "a", n: 1 });
  const back = undone(later(one, MINUTE));
  expect(back).toMatchObject({ now: start + MINUTE, events: [] });
  expect(undone(back).now).toBe(start);
});

test("the log tells what was done, what it told whom and what was refused, newest first", () => {
  const script = happened(happened(begin(start, undefined, []), { deed: "take", step: "a", n: 1 }), { deed: "take", step: "a", n: 1 });
  const told = [
    { at: "2026-11-22T08:00:00Z", roles: ["receiver"], milestone: "accepted" },
    { at: "2026-11-22T08:30:00Z", roles: ["chief"], clock: "decide" },
  ];
  const lines = logOf(script, { told, refused: [{ event: 1, text: "Already taken." }] });
  expect(lines.map((line) => line.told?.clock ?? line.told?.milestone ?? line.event)).toEqual(["decide", "accepted", 1, 0]);
  expect(lines[2]?.refused).toBe("Already taken.");
});

test("the next clock is the first point that lies ahead, of clocks that still run", () => {
  const clock = (rest: object) => ({ code: "c", title: words("c"), n: 1, from: "a", to: ["b"], level: "running", began: "2026-11-22T08:00:00Z", ...rest });
  const run = {
    clocks: [
      clock({ warn: "2026-11-22T08:10:00Z", breach: "2026-11-22T08:20:00Z" }),
      clock({ breach: "2026-11-22T08:12:00Z", stopped: "2026-11-22T08:01:00Z" }),
      clock({ next: "2026-11-22T08:15:00Z" }),
    ],
  } as unknown as RunView;
  expect(nextDue(run, start)).toBe(start + 10 * MINUTE);
  expect(nextDue(run, start + 10 * MINUTE)).toBe(start + 15 * MINUTE);
  expect(nextDue(run, start + 20 * MINUTE)).toBeUndefined();
});

test("a step offers each outcome that is left, one that several see is acknowledged, any other is simply done", () => {
  const outcomes = [
    { code: "accept", title: words("接收") },
    { code: "ask", title: words("补充"), left: 0 },
  ];
  expect(waysOf(step("review", { outcomes })).map(({ code }) => code)).toEqual(["accept"]);
  expect(waysOf(step("team", { acknowledgements: 2 }))[0]?.act.deed).toBe("acknowledge");
  expect(waysOf(step("bed"))[0]?.act).toEqual({ deed: "complete", step: "bed", n: 1 });
});

test("a share meets its goal from it upwards, a time up to it, and a count has none", () => {
  expect(meets({ kind: "share", value: 90, goal: 90, less: false })).toBe(true);
  expect(meets({ kind: "share", value: 89.9, goal: 90, less: false })).toBe(false);
  expect(meets({ kind: "median", value: 61, goal: 60, less: true })).toBe(false);
  expect(meets({ kind: "count", value: 61, goal: 60, less: false })).toBeUndefined();
  expect(meets({ kind: "share", goal: 60, less: false })).toBeUndefined();
});

test("what should not happen meets its goal up to it, and never by happening more often", () => {
  expect(meets({ kind: "share", value: 0, goal: 0, less: true })).toBe(true);
  expect(meets({ kind: "share", value: 0.4, goal: 0, less: true })).toBe(false);
});

test("periods are whole days, across the turn of the year too", () => {
  expect(periodOf("month", "2026-11-22")).toEqual({ from: "2026-11-01", to: "2026-11-22" });
  expect(periodOf("lastMonth", "2026-01-05")).toEqual({ from: "2025-12-01", to: "2025-12-31" });
  expect(periodOf("quarter", "2026-11-22")).toEqual({ from: "2026-10-01", to: "2026-11-22" });
  expect(periodOf("year", "2026-11-22")).toEqual({ from: "2026-01-01", to: "2026-11-22" });
});

const role = (code: string, rest: Partial<Role> = {}): Role => ({ code, title: words(code), party: "institution", ...rest });
const roles = [
  role("referrer", { duties: ["doctor"], bind: "requester" }),
  role("office", { duties: ["referral-officer"], otherwise: "receiver" }),
  role("receiver", { duties: ["doctor"] }),
  role("escort", { optional: true }),
];

test("whoever starts a run takes the first role of their duties", () => {
  expect(ownRole(roles, ["doctor"])?.code).toBe("referrer");
  expect(ownRole(roles, ["referral-officer"])?.code).toBe("office");
  expect(ownRole(roles, ["nurse"])).toBeUndefined();
});

test("a run waits for the roles that neither fall back nor follow from what it is about", () => {
  expect(missingRoles(roles, {}, false)).toEqual(["referrer", "receiver"]);
  expect(missingRoles(roles, {}, true)).toEqual(["receiver"]);
  expect(missingRoles(roles, { receiver: "Organization/o" }, true)).toEqual([]);
});

test("ways to start are offered to the duties that may", () => {
  const start = [
    { code: "up", by: "hand" as const, duties: ["doctor"] },
    { code: "any", by: "hand" as const },
    { code: "back", by: "protocol" as const },
  ];
  expect(startsFor({ start }, ["doctor"]).map(({ code }) => code)).toEqual(["up", "any"]);
  expect(startsFor({ start }, ["nurse"]).map(({ code }) => code)).toEqual(["any"]);
});

test("a patient is told what has words for them, newest first, and not what was corrected away", () => {
  const milestone = (code: string, at: string, rest: object) => ({ code, title: words(code), n: 1, at, recorded: at, ...rest });
  const run = {
    id: "r",
    blocking: ["review"],
    milestones: [
      milestone("submitted", "2026-11-22T08:00:00Z", { patient: words("已提交") }),
      milestone("opened", "2026-11-22T08:05:00Z", {}),
      milestone("accepted", "2026-11-22T08:20:00Z", { patient: words("旧"), superseded: true }),
      milestone("accepted", "2026-11-22T08:10:00Z", { patient: words("医院已接收") }),
    ],
    steps: [
      step("review", { party: { reference: "Organization/county" } }),
      step("note"),
      step("rate", { may: true }),
      step("later", { state: "waiting" }),
    ],
    clocks: [{ breach: "2026-11-22T12:00:00Z" }, { breach: "2026-11-22T10:00:00Z" }, { breach: "2026-11-22T09:00:00Z", stopped: "2026-11-22T08:30:00Z" }],
    names: { "Organization/county": "示范县医院" },
  } as unknown as RunView;
  const { happened, toDo, waiting, by, contact } = told(run, ({ may }) => may);
  expect(happened.map(({ words: said }) => said.zh)).toEqual(["医院已接收", "已提交"]);
  expect(toDo.map(({ code }) => code)).toEqual(["rate"]);
  expect(waiting.map(({ code }) => code)).toEqual(["review"]);
  expect(by).toBe("2026-11-22T10:00:00Z");
  expect(contact).toEqual({ reference: "Organization/county", display: "示范县医院" });
  expect(told({ ...run, end: "completed" }, ({ may }) => may)).toMatchObject({ toDo: [], waiting: [], by: undefined });
});

test("a month of a period is the days both have", () => {
  const period = { from: "2026-01-15", to: "2026-03-10" };
  expect(daysOf("2026-01", period)).toEqual({ from: "2026-01-15", to: "2026-01-31" });
  expect(daysOf("2026-02", period)).toEqual({ from: "2026-02-01", to: "2026-02-28" });
  expect(daysOf("2026-03", period)).toEqual({ from: "2026-03-01", to: "2026-03-10" });
  expect(daysOf(null, period)).toEqual(period);
});

test("a share is shown in percent, what is told per thousand in per mille, and nothing as a dash", () => {
  const texts = { t: (key: string) => key };
  expect(showFigure(texts, { kind: "ratio", unit: "[ppth]" }, 12.34)).toBe("12.3 ‰");
  expect(showFigure(texts, { kind: "share", unit: "%" }, 50)).toBe("50 %");
  expect(showFigure(texts, { kind: "count", unit: "1" }, 7)).toBe("7");
  expect(showFigure(texts, { kind: "share", unit: "%" }, undefined)).toBe("–");
});

const table: FigureTable = {
  by: ["month", "role:referrer"],
  groups: [[{ key: "2026-05" }], [{ key: "Organization/a", title: '甲院, "总院"' }]],
  indicators: [
    {
      code: "up",
      title: { zh: "上转人次", en: "Up" },
      kind: "count",
      less: false,
      unit: "1",
      recorded: false,
      cells: [
        { at: [null, null], numerator: 3, denominator: 3, value: 3 },
        { at: ["2026-05", "Organization/a"], numerator: 1, denominator: 1, value: 1 },
      ],
    },
  ],
};

test("figures are a file that a spreadsheet reads, with every cell there is and no formula", () => {
  const csv = csvOf({ locale: "zh-CN", t: (key) => key }, table);
  expect(csv.startsWith("\uFEFF")).toBe(true);
  expect(csv.split("\r\n")).toHaveLength(4);
  expect(csv).toContain('上转人次,2026-05,"甲院, ""总院""",1,1,1,1');
  expect(cellAt(table.indicators[0]!, null, null)?.numerator).toBe(3);
  expect(csvField("=1+1")).toBe("'=1+1");
  expect(csvField("-5.2")).toBe("-5.2");
});

test("figures by a reason stand in the order and the words of its list, and what the list does not know comes first as it is", () => {
  const codes = [
    { code: "critical", title: { zh: "急危重症", en: "Critical" } },
    { code: "unclear", title: { zh: "诊断不明", en: "Unclear" } },
  ];
  const byReason = { ...table, groups: [table.groups[0] ?? [], [{ key: "unclear" }, { key: "critical" }, { key: "gone" }]] };
  const named = valuesNamed({ lists: [{ code: "reasons", codes }] }, "reasons", byReason, "zh-CN");
  expect(named.groups[1]).toEqual([{ key: "gone" }, { key: "critical", title: "急危重症" }, { key: "unclear", title: "诊断不明" }]);
  expect(valuesNamed({}, "reasons", byReason, "en")).toBe(byReason);
});

test("the runs that lack something are those behind a figure that do not count", () => {
  const figure = { runs: ["a", "b", "c"], counted: ["b"] };
  expect(behind(figure, "others")).toEqual(["a", "c"]);
  expect(behind(figure, "counted")).toEqual(["b"]);
});
