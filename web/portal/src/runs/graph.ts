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

export interface Graph {
  boxes: GraphBox[];
  lines: (Line & { isOneOf: boolean })[];
  lanes: Role[];
  drawing: Drawing;
}

/** What a step reaches when it is done, whatever comes of it. */
export function reachedBy(step: ProtocolStep): string[] {
  return [...new Set([...(step.reach ?? []), ...(step.outcome ?? []).flatMap((outcome) => outcome.reach ?? [])])];
}

/** What a requirement names: one of several milestones is enough. */
export const alternatives = (requirement: string): string[] => requirement.split("|").map((code) => code.trim());

/**
 * A protocol as boxes in the lanes of those who do them, joined by the milestones that lead from one to the next.
 *
 * @param of the class of the runs that are meant; all classes together unless one is named
 */
export function graphOf(protocol: Protocol, of?: string): Graph {
  const isFor = ({ classes = [] }: { classes?: string[] }) => of === undefined || classes.length === 0 || classes.includes(of);
  const steps = (protocol.step ?? []).filter(isFor);
  const milestones = protocol.milestone ?? [];
  const named = new Map(milestones.map((milestone) => [milestone.code, milestone]));
  const makers = new Map<string, string[]>();
  for (const step of steps) {
    for (const code of reachedBy(step)) makers.set(code, [...(makers.get(code) ?? []), step.code]);
  }
  const requires = (step: ProtocolStep) => (step.requires ?? []).map(alternatives);
  const lanes = (protocol.role ?? []).filter((role) => steps.some((step) => step.who === role.code));
  const laneOf = (role: string | undefined) => Math.max(0, lanes.findIndex((lane) => lane.code === role));

  const events = milestones.filter((milestone) => !makers.has(milestone.code));
  const boxes: GraphBox[] = [
    ...events.map((milestone) => {
      const next = steps.find((step) => requires(step).some((codes) => codes.includes(milestone.code)));
      const lane = laneOf(next?.who ?? milestone.owner);
      return { id: `milestone ${milestone.code}`, lane, ports: [milestone.code], reached: [milestone] };
    }),
    ...steps.map((step) => {
      const reached = reachedBy(step).map((code) => named.get(code)).filter((milestone) => milestone !== undefined);
      return { id: step.code, lane: laneOf(step.who), ports: reached.map(({ code }) => code), reached, step };
    }),
  ];
  const sources = (code: string) => makers.get(code) ?? (named.has(code) ? [`milestone ${code}`] : []);
  const lines = steps.flatMap((step) =>
    requires(step).flatMap((codes) =>
      codes.flatMap((code) =>
        sources(code).map((from) => ({ from, port: code, to: step.code, isOneOf: codes.length > 1 })),
      ),
    ),
  );
  // What comes about by itself after something else stands below it, though no line leads there.
  const order = events.flatMap((milestone) =>
    (milestone.after ?? []).flatMap((code) =>
      sources(code).map((from) => ({ from, port: code, to: `milestone ${milestone.code}`, isOneOf: false })),
    ),
  );
  const all = [...lines, ...order];
  const drawing = draw(boxes, all, Math.max(1, lanes.length));
  return { boxes, lines: all, lanes, drawing };
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
