import type { Observation, ObservationComponent, RunStep, RunView } from "@qingshan/client";
import type { Point } from "../views/Sparkline";

/** One thing that was measured again and again. */
export interface Trend {
  code: string;
  text: string | undefined;
  unit: string;
  points: Point[];
}

const LOINC = "http://loinc.org";

/** What was measured, each in the order of time; a panel such as a blood pressure is told as its parts. */
export function trendsOf(observations: readonly Observation[]): Trend[] {
  const trends = new Map<string, Trend>();
  const add = (part: Pick<ObservationComponent, "code" | "valueQuantity">, at: number) => {
    const coding = part.code.coding?.find(({ system }) => system === LOINC) ?? part.code.coding?.[0];
    const value = part.valueQuantity?.value;
    if (coding?.code === undefined || value === undefined || Number.isNaN(at)) return;
    const unit = part.valueQuantity?.unit ?? part.valueQuantity?.code ?? "";
    const trend = trends.get(`${coding.code} ${unit}`) ?? { code: coding.code, text: part.code.text ?? coding.display, unit, points: [] };
    trend.points.push({ at, value });
    trends.set(`${coding.code} ${unit}`, trend);
  };
  for (const one of observations) {
    // What was entered in error was not measured.
    if (one.status === "entered-in-error" || one.status === "cancelled") continue;
    const at = Date.parse(one.effectiveDateTime ?? one.effectivePeriod?.start ?? "");
    add(one, at);
    for (const part of one.component ?? []) add(part, at);
  }
  for (const trend of trends.values()) trend.points.sort((left, right) => left.at - right.at);
  return [...trends.values()];
}

/** A step as a length of time. */
export interface Bar {
  step: RunStep;
  from: number;
  to: number;
  isOpen: boolean;
}

/** Everybody's steps beside one another on one line of time. */
export interface Parallel {
  from: number;
  to: number;
  lanes: { role: string; bars: Bar[] }[];
}

/** What runs, or ran, at once: each role's steps from when they could be done until they were. */
export function parallelOf(run: RunView, now: number, titleOf: (step: RunStep) => string): Parallel | undefined {
  const bars = run.steps.flatMap((step) => {
    const from = Date.parse(step.since ?? "");
    if (Number.isNaN(from) || step.state === "not-applicable" || step.state === "cancelled") return [];
    const isOpen = step.state === "ready" || step.state === "taken";
    const ended = Date.parse(step.ended ?? "");
    return [{ step, from, to: Math.max(from, isOpen || Number.isNaN(ended) ? now : ended), isOpen }];
  });
  if (bars.length === 0) return undefined;
  const lanes = new Map<string, Bar[]>();
  for (const bar of bars) lanes.set(titleOf(bar.step), [...(lanes.get(titleOf(bar.step)) ?? []), bar]);
  const from = Math.min(...bars.map((bar) => bar.from));
  const to = Math.max(...bars.map((bar) => bar.to), from + 60_000);
  return { from, to, lanes: [...lanes].map(([role, own]) => ({ role, bars: own.sort((left, right) => left.from - right.from) })) };
}

/** Round steps of a line of time, in milliseconds. */
const TICKS = [1, 2, 5, 10, 15, 30, 60, 120, 240, 720, 1440].map((minutes) => minutes * 60_000);

/** Where a line of time is marked: at round distances from its beginning, a handful of them. */
export function ticksOf({ from, to }: Pick<Parallel, "from" | "to">): number[] {
  const step = TICKS.find((one) => (to - from) / one <= 8) ?? (to - from) / 8;
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, place) => from + place * step);
}
