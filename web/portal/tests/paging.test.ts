import type { RunStep, RunView } from "@qingshan/client";
import { expect, test } from "vitest";
import { calledIn, type Case } from "../src/board/board";
import { callsFor, meantOf } from "../src/paging/AnswerCall";
import { bytesOf, idOf, toDevice } from "../src/paging/device";
import { newOf } from "../src/paging/tone";

const step = (code: string, more: Partial<RunStep> = {}): RunStep =>
  ({ code, n: 1, title: {}, state: "ready", may: true, missing: [], outcomes: [], acknowledgements: 1, ...more }) as RunStep;
const run = (...steps: RunStep[]) => ({ id: "r", steps }) as unknown as RunView;

test("a person is asked for the answers that wait for them and that they have not given", () => {
  const mine = step("ack-neurology");
  const asked = run(mine, step("ack-imaging", { may: false }), step("ct", { acknowledgements: 0 }), step("done", { state: "done" }));
  expect(callsFor(asked, "lin")).toEqual([mine]);
  const answered = step("ack", { acknowledgements: 2, acknowledged: [{ by: "Practitioner/lin", at: "2026-05-04" }] });
  expect(callsFor(run(answered), "lin")).toEqual([]);
  expect(callsFor(run(answered), "wu")).toEqual([answered]);
  expect(callsFor({ ...run(mine), end: "cancelled" } as RunView, "lin")).toEqual([]);
});

test("what is answered by deciding calls until somebody has taken it on", () => {
  const warning = step("answer", { acknowledgements: 0, paged: true });
  expect(callsFor(run(warning), "lin")).toEqual([warning]);
  expect(callsFor(run({ ...warning, state: "taken" }), "lin")).toEqual([]);
  expect(calledIn([{ runs: [run(warning)] } as unknown as Case])).toEqual(["r/answer/1"]);
});

test("whoever could answer for several roles is asked for the one they were called for, and the chief for all", () => {
  const of = (code: string) => step(`ack-${code}`, { role: { code, title: {} } });
  const steps = [of("neurology"), of("imaging")];
  expect(meantOf(run(...steps), steps, new Set(["neurology"]))).toEqual([steps[0]]);
  expect(meantOf(run(...steps), steps, new Set(["chief"]))).toEqual(steps);
  expect(meantOf(run(...steps), steps, new Set())).toEqual(steps);
  expect(meantOf(run(...steps), steps, undefined)).toEqual([]);
});

test("what waits for an answer on a board has a name each, and sounds when it is new", () => {
  const one = { runs: [run(step("a"), step("b", { acknowledged: [{ by: "x", at: "2026-05-04" }] }))] } as unknown as Case;
  expect(calledIn([one])).toEqual(["r/a/1"]);
  expect(newOf(undefined, new Set(["r/a/1"]))).toEqual([]);
  expect(newOf(new Set(["r/a/1"]), new Set(["r/a/1", "s/a/1"]))).toEqual(["s/a/1"]);
});

test("a browser is told to the record with both its keys, or not at all", async () => {
  const keys = { p256dh: "BCVx", auth: "BTBZ" };
  expect(toDevice({ endpoint: "https://push.example/1", keys }, "Firefox", "en")).toEqual({ endpoint: "https://push.example/1", ...keys, name: "Firefox", locale: "en" });
  expect(toDevice({ endpoint: "https://push.example/1", keys: { auth: "BTBZ" } }, "Firefox", "en")).toBeUndefined();
  expect([...bytesOf("-_8")]).toEqual([251, 255]);
  expect(await idOf("https://push.example/1")).toMatch(/^[0-9a-f]{32}$/);
});
