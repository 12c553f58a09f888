import type { Observation, RunStep, RunView } from "@qingshan/client";
import { expect, test } from "vitest";
import { parallelOf, ticksOf, trendsOf } from "../src/runs/trend";

const loinc = (code: string) => ({ coding: [{ system: "http://loinc.org", code }] });
const pulse = (value: number, minute: number, status = "final"): Observation => ({
  resourceType: "Observation",
  status,
  code: loinc("8867-4"),
  effectiveDateTime: `2026-11-22T03:${String(minute).padStart(2, "0")}:00Z`,
  valueQuantity: { value, unit: "/min" },
});

test("what was measured stands in the order of time, and what was an error was not measured", () => {
  const [trend] = trendsOf([pulse(90, 20), pulse(118, 5), pulse(300, 10, "entered-in-error")]);
  expect(trend?.points.map(({ value }) => value)).toEqual([118, 90]);
});

test("a blood pressure is told as its parts, and what differs in its unit is another line", () => {
  const pressure: Observation = {
    resourceType: "Observation",
    status: "final",
    code: loinc("85354-9"),
    effectiveDateTime: "2026-11-22T03:05:00Z",
    component: [
      { code: loinc("8480-6"), valueQuantity: { value: 172, unit: "mmHg" } },
      { code: loinc("8462-4"), valueQuantity: { value: 95, unit: "mmHg" } },
    ],
  };
  expect(trendsOf([pressure]).map(({ code }) => code)).toEqual(["8480-6", "8462-4"]);
  const other = { ...pulse(1.5, 6), valueQuantity: { value: 1.5, unit: "Hz" } };
  expect(trendsOf([pulse(90, 5), other]).length).toBe(2);
});

const step = (code: string, role: string, state: RunStep["state"], since?: string, ended?: string): RunStep => ({
  code,
  title: { zh: code },
  n: 1,
  state,
  role: { code: role, title: { zh: role } },
  ...(since !== undefined && { since }),
  ...(ended !== undefined && { ended }),
  requires: [],
  missing: [],
  outcomes: [],
  may: false,
});

test("what runs at once stands on one line of time, and what is open reaches to now", () => {
  const at = (minute: number) => Date.UTC(2026, 10, 22, 3, minute);
  const run = {
    steps: [
      step("scan", "imaging", "done", new Date(at(0)).toISOString(), new Date(at(12)).toISOString()),
      step("bloods", "laboratory", "taken", new Date(at(2)).toISOString()),
      step("needle", "team", "waiting"),
      step("arrive", "team", "cancelled", new Date(at(0)).toISOString()),
    ],
  } as unknown as RunView;
  const parallel = parallelOf(run, at(30), (one) => one.role?.code ?? "");
  expect(parallel?.lanes.map(({ role, bars }) => [role, bars.map(({ from, to, isOpen }) => [from, to, isOpen])])).toEqual([
    ["imaging", [[at(0), at(12), false]]],
    ["laboratory", [[at(2), at(30), true]]],
  ]);
  expect(parallel && ticksOf(parallel)).toEqual([0, 5, 10, 15, 20, 25, 30].map(at));
  expect(parallelOf({ steps: [] } as unknown as RunView, at(30), () => "")).toBeUndefined();
});
