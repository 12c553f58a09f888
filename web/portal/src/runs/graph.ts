import type { Protocol, RunMilestone, RunStep, RunView } from "@qingshan/client";
import { draw, type Box, type Drawing, type Line } from "./layout";

type ProtocolStep = NonNullable<Protocol["step"]>[number];
type ProtocolMilestone = NonNullable<Protocol["milestone"]>[number];
type Role = NonNullable<Protocol["role"]>[number];

/** A box of the graph: a step, or something that comes about without one. */
export interface GraphBox extends Box {
  step?: ProtocolStep;
  /** Milestones it can reach, in the order of its ports. */
  reached: ProtocolMilestone[];
}

/** The box of the beginning. No step has such a code. */
export const BEGIN = "begin ";

export interface Graph {
  boxes: GraphBox[];
  lines: (Line & { isOneOf: boolean })[];
  lanes: Role[];
  drawing: Drawing;
}

/** What a step reaches when it is begun or done, whatever comes of it. */
export function reachedBy(step: ProtocolStep): string[] {
  const outcomes = (step.outcome ?? []).flatMap((outcome) => outcome.reach ?? []);
  return [...new Set([...(step.begins ?? []), ...(step.reach ?? []), ...outcomes])];
}

/** What a requirement names: one of several milestones is enough. */
export const alternatives = (requirement: string): string[] => requirement.split("|").map((code) => code.trim());

/** What a drawing is narrowed to. */
export interface Of {
  /** The class of the runs that are meant. */
  class?: string | undefined;
  /** The milestones a run begins with, where it is known how it began. */
  begun?: readonly string[] | undefined;
}

/** What can come about in runs that are narrowed so: steps that can never be asked for are left out, and what they alone reach. */
function possible(protocol: Protocol, of: Of): { steps: ProtocolStep[]; isPossible(code: string): boolean } {
  const isFor = ({ classes = [] }: { classes?: string[] }) =>
    of.class === undefined || classes.length === 0 || classes.includes(of.class);
  let steps = (protocol.step ?? []).filter(isFor);
  const begun = new Set(of.begun ?? (protocol.start ?? []).flatMap((start) => start.reach ?? []));
  const byClocks = (protocol.clock ?? []).flatMap((clock) => (clock.rung ?? []).filter(isFor).flatMap((rung) => rung.reach ?? []));
  const bySelf = new Set([
    ...byClocks,
    ...(protocol.cancel?.reach ?? []),
    ...(protocol.milestone ?? []).filter((one) => one.fact !== undefined).map((one) => one.code),
  ]);
  for (;;) {
    const made = new Set(steps.flatMap(reachedBy));
    const isPossible = (code: string) => begun.has(code) || bySelf.has(code) || made.has(code);
    const left = steps.filter((step) => (step.requires ?? []).every((one) => alternatives(one).some(isPossible)));
    if (left.length === steps.length) return { steps, isPossible };
    steps = left;
  }
}

/** A protocol as boxes in the lanes of those who do them, joined by the milestones that lead from one to the next. */
export function graphOf(protocol: Protocol, of: Of = {}): Graph {
  const { steps, isPossible } = possible(protocol, of);
  const milestones = (protocol.milestone ?? []).filter((milestone) => isPossible(milestone.code));
  const named = new Map(milestones.map((milestone) => [milestone.code, milestone]));
  const makers = new Map<string, string[]>();
  for (const step of steps) {
    for (const code of reachedBy(step)) makers.set(code, [...(makers.get(code) ?? []), step.code]);
  }
  const requires = (step: ProtocolStep) => (step.requires ?? []).map(alternatives);

  // Only what leads on is drawn: a mark that nothing waits for is told in the list of what has come about.
  const isAwaited = (code: string) => steps.some((step) => requires(step).some((codes) => codes.includes(code)));
  const begun = [...new Set(of.begun ?? (protocol.start ?? []).flatMap((start) => start.reach ?? []))];
  const first = begun.filter((code) => !makers.has(code) && isAwaited(code));
  for (const code of first) makers.set(code, [BEGIN]);
  const events = milestones.filter(({ code, fact }) => !makers.has(code) && (isAwaited(code) || fact !== undefined));
  const sources = (code: string) => makers.get(code) ?? (named.has(code) ? [`milestone ${code}`] : []);

  // What the platform does by itself stands with those whose doing leads to it, and needs no lane of its own.
  const roles = protocol.role ?? [];
  const isSystem = new Set(roles.filter((role) => role.party === "system").map((role) => role.code));
  const hand = new Map(steps.map((step) => [step.code, step]));
  const whoOf = (step: ProtocolStep, seen: readonly string[] = []): string | undefined => {
    if (!isSystem.has(step.who)) return step.who;
    const before = requires(step).flat().reverse().flatMap(sources).map((source) => hand.get(source));
    for (const one of before) {
      const who = one === undefined || seen.includes(one.code) ? undefined : whoOf(one, [...seen, step.code]);
      if (who !== undefined) return who;
    }
    return undefined;
  };
  const lanes = roles.filter((role) => !isSystem.has(role.code) && steps.some((step) => whoOf(step) === role.code));
  const laneOf = (role: string | undefined) => Math.max(0, lanes.findIndex((lane) => lane.code === role));

  const boxOf = (id: string, lane: number, codes: readonly string[]): GraphBox => {
    const reached = codes.map((code) => named.get(code)).filter((milestone) => milestone !== undefined);
    return { id, lane, ports: reached.map(({ code }) => code), reached };
  };
  const boxes: GraphBox[] = [
    ...(first.length === 0 ? [] : [boxOf(BEGIN, 0, first)]),
    ...events.map((milestone) => {
      const next = steps.find((step) => requires(step).some((codes) => codes.includes(milestone.code)));
      return boxOf(`milestone ${milestone.code}`, laneOf((next && whoOf(next)) ?? milestone.owner), [milestone.code]);
    }),
    ...steps.map((step) => ({ ...boxOf(step.code, laneOf(whoOf(step)), reachedBy(step)), step })),
  ];
  const lines = steps.flatMap((step) =>
    requires(step).flatMap((codes) => {
      const some = codes.filter((code) => named.has(code));
      return some.flatMap((code) => sources(code).map((from) => ({ from, port: code, to: step.code, isOneOf: some.length > 1 })));
    }),
  );
  // What comes about by itself after something else, or because a clock has run since then, stands below it.
  const clocksOf = (code: string) => (protocol.clock ?? []).filter((clock) => clock.rung?.some((rung) => rung.reach?.includes(code)));
  const order = events.flatMap((milestone) =>
    [...(milestone.after ?? []), ...clocksOf(milestone.code).map((clock) => clock.from)].flatMap((code) =>
      sources(code).map((from) => ({ from, port: code, to: `milestone ${milestone.code}`, isOneOf: false, isHidden: true })),
    ),
  );
  const all = [...lines, ...order];
  const drawing = draw(boxes, all, Math.max(1, lanes.length));
  return { boxes, lines: all, lanes, drawing };
}

/** What the drawing of a run is narrowed to: its class, and how it began. */
export function narrowed(protocol: Protocol, run: RunView | undefined): Of {
  if (run === undefined) return {};
  const starts = new Set((protocol.start ?? []).flatMap((start) => start.reach ?? []));
  const begun = run.milestones.map((one) => one.code).filter((code) => starts.has(code));
  return { class: run.class?.code, begun: starts.size === 0 ? undefined : begun };
}

/** The latest time a step was asked for in a run, and how often it was. */
export function latest(run: RunView | undefined, code: string): { step: RunStep; times: number } | undefined {
  const all = (run?.steps ?? []).filter((step) => step.code === code).sort((left, right) => left.n - right.n);
  const step = all.at(-1);
  return step && { step, times: all.length };
}

/** The latest occurrence of a milestone that still counts. */
export function standing(run: RunView | undefined, code: string): RunMilestone | undefined {
  return (run?.milestones ?? []).filter((one) => one.code === code && !one.superseded).sort((a, b) => a.n - b.n).at(-1);
}

/** An occurrence of a milestone with the times it was said to have come about before it was corrected, oldest first. */
export interface Occurrence {
  now: RunMilestone;
  before: RunMilestone[];
}

/** What has come about in a run, in the order of time, every correction with what it took the place of. */
export function occurrences(run: RunView): Occurrence[] {
  const groups = new Map<string, RunMilestone[]>();
  for (const one of run.milestones) {
    const name = `${one.code} ${one.n}`;
    groups.set(name, [...(groups.get(name) ?? []), one]);
  }
  const moment = (when: string) => Date.parse(when);
  const found = [...groups.values()].map((group) => {
    const sorted = [...group].sort((left, right) => moment(left.recorded) - moment(right.recorded));
    const now = sorted.findLast((one) => !one.superseded) ?? (sorted.at(-1) as RunMilestone);
    return { now, before: sorted.filter((one) => one !== now) };
  });
  return found.sort((left, right) => moment(left.now.at) - moment(right.now.at));
}
