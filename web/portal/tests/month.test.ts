import type { Figure, Protocol, RunView } from "@qingshan/client";
import { expect, test } from "vitest";
import { arrivalOf, casesOf, monthCsv, monthsLater, monthsUpTo, registryOf, timed, tookOf, wholeMonth } from "../src/protocols/month";

const words = (zh: string) => ({ zh, en: zh });
const texts = {
  t: (key: string, given: Record<string, string | number> = {}) => `${key}${Object.values(given).map((one) => ` ${one}`).join("")}`,
  locale: "zh-CN",
  known: (_: string, code: string | undefined) => code,
} as unknown as Parameters<typeof registryOf>[0];

const protocol = {
  code: "stroke",
  version: "1",
  title: words("卒中急救"),
  milestone: ["exercise", "onset", "door", "needle"].map((code) => ({ code, title: words(`${code}时间`) })),
  clock: [{ code: "dnt", title: words("DNT"), from: "door", to: ["needle"] }, { code: "ont", title: words("ONT"), from: "onset", to: ["needle"] }],
} as unknown as Protocol;

const run = (milestones: Record<string, string>, rest: Partial<RunView> = {}): RunView =>
  ({ id: "r1", milestones: Object.entries(milestones).map(([code, at]) => ({ code, at })), clocks: [], ...rest }) as unknown as RunView;

test("a month has all its days, and the month before January is December of the year before", () => {
  expect(wholeMonth("2028-02")).toEqual({ from: "2028-02-01", to: "2028-02-29" });
  expect(monthsLater("2026-01", -1)).toBe("2025-12");
  expect(monthsLater("2026-12", 1)).toBe("2027-01");
  expect(monthsUpTo("2026-11", "2026-10").slice(0, 2)).toEqual(["2026-11", "2026-10"]);
  expect(monthsUpTo("2026-11", "2019-01").at(-1)).toBe("2019-01");
});

test("a case that several figures are about is one case", () => {
  const figure = (runs: string[], counted: string[]) => ({ runs, counted }) as unknown as Figure;
  expect(casesOf([figure(["a", "b"], ["b"]), figure(["c", "a"], [])])).toEqual(["a", "b", "c"]);
});

test("how somebody came follows from what came about", () => {
  expect(arrivalOf(run({ called: "", sent: "" }))).toBe("called");
  expect(arrivalOf(run({ sent: "" }))).toBe("sent");
  expect(arrivalOf(run({ recognised: "" }))).toBe("inside");
  expect(arrivalOf(run({ door: "" }))).toBe("alone");
});

test("a registry gets the times on which clocks hang, and what a clock took without what held it", () => {
  expect(timed(protocol).map(({ code }) => code)).toEqual(["onset", "door", "needle"]);
  const clock = (rest: object) => ({ code: "dnt", began: "2026-11-21T02:20:00+08:00", ...rest });
  const of = (...clocks: object[]) => tookOf({ clocks } as unknown as RunView, "dnt");
  expect(of(clock({ stopped: "2026-11-21T02:43:30+08:00" }))).toBe(23.5);
  expect(of(clock({ stopped: "2026-11-21T02:43:30+08:00", held: 90 }))).toBe(22);
  expect(of(clock({}))).toBeUndefined();
  expect(of(clock({ stopped: "2026-11-21T02:43:30+08:00", cut: true }))).toBeUndefined();
});

test("a line of a registry has the corrected time, leaves out what nobody knows, and names nobody", () => {
  const milestones = [
    { code: "door", at: "2026-11-20T18:20:00Z", superseded: true },
    { code: "door", at: "2026-11-20T18:22:00Z" },
    { code: "called", at: "2026-11-20T17:40:00Z" },
  ];
  const patient = { reference: "Patient/p1", display: "张三" };
  const text = registryOf(texts, protocol, [run({}, { milestones, patient, end: "completed" } as unknown as Partial<RunView>)]);
  const [head, line] = text.replace("\uFEFF", "").split("\r\n");
  expect(head?.split(",")).toEqual(["month.registry.case", "month.registry.arrival", "month.registry.class", "month.registry.end", "onset时间", "door时间", "needle时间", "month.registry.minutes DNT", "month.registry.minutes ONT"]);
  expect(line?.split(",")).toEqual(["r1", "month.arrival.called", "", "completed", "", "2026-11-21 02:22", "", "", ""]);
});

test("the figures of a month are a line each, and a figure nothing is known of has no number", () => {
  const figure = { code: "dnt", title: words("DNT≤60分钟比例"), kind: "share", numerator: 0, denominator: 0, less: false, unit: "%", runs: [], counted: [] } as Figure;
  const [, line] = monthCsv(texts, [figure], "2026-11", "示范县医院").split("\r\n");
  expect(line).toBe("DNT≤60分钟比例,2026-11,示范县医院,0,0,,%");
});
