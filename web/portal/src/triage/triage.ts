import type { Protocol, QuestionnaireItem, ResponseItem, RunStep } from "@qingshan/client";
import { openClocks, placeOf, type Case } from "../board/board";
import { leftAt, mostUrgent } from "../runs/clock";
import { standing } from "../runs/graph";

/** The step by which a protocol says that it belongs on the desk at the door. */
export const TRIAGE = "triage";

/** The items of a form that say what came of it; what they are computed from is the form's own business. */
const LEVELS = ["local", "level"];
const REASON = "reason";
const RULE = "rule-";

/** There are four levels; a protocol may tell some of the last one apart. */
const LAST = 4;

/** Whether a protocol grades those who come to the door. */
export const isTriage = ({ step }: Pick<Protocol, "step">): boolean => (step ?? []).some(({ code }) => code === TRIAGE);

/** The protocols that somebody at the door begins: the one made for it, where there is one, else all that grade. */
export function atDoor<P extends Pick<Protocol, "code">>(protocols: readonly P[]): readonly P[] {
  const own = protocols.filter(({ code }) => code === TRIAGE);
  return own.length > 0 ? own : protocols;
}

/** The item that holds the level by the national rules, which is what is reported. */
const NATIONAL = "national";

/** What a filled form says about how urgent it is. */
export interface Verdict {
  /** The level by the national rules, where the form tells it apart from that of the hospital. */
  national?: number | undefined;
  /** The level that follows from what was measured, from 1; nothing while it does not follow. */
  computed: number | undefined;
  /** Somebody said why they choose another level. */
  hasReason: boolean;
  /** The items of the rules that gave the computed level. */
  fired: string[];
}

function* flat(items: readonly ResponseItem[] | undefined): Generator<ResponseItem> {
  for (const item of items ?? []) {
    yield item;
    yield* flat(item.item);
  }
}

/** Reads what came of a form from its response. */
export function verdictOf(items: readonly ResponseItem[]): Verdict {
  const all = [...flat(items)];
  const answer = (linkId: string) => all.find((item) => item.linkId === linkId)?.answer?.[0];
  const computed = LEVELS.map((linkId) => answer(linkId)?.valueInteger).find((level) => level !== undefined);
  const fired = all.filter(({ linkId, answer }) => linkId.startsWith(RULE) && computed !== undefined && answer?.[0]?.valueInteger === computed);
  return { national: answer(NATIONAL)?.valueInteger, computed, hasReason: answer(REASON) !== undefined, fired: fired.map(({ linkId }) => linkId) };
}

/** The level that an outcome in this place stands for: outcomes are told from the gravest on. */
export const levelAt = (place: number): number => Math.min(place + 1, LAST);

/** The outcome that stands for a computed level, before somebody chooses another. */
export function outcomeOf({ outcomes }: Pick<RunStep, "outcomes">, level: number | undefined): string | undefined {
  return level === undefined ? undefined : outcomes.find((_, place) => levelAt(place) === level)?.code;
}

/** Whether a choice needs a reason that was not given: one that is not what follows from what was measured. */
export function lacksReason({ outcomes }: Pick<RunStep, "outcomes">, chosen: string | undefined, { computed, hasReason }: Verdict): boolean {
  if (chosen === undefined || hasReason) return false;
  return levelAt(outcomes.findIndex(({ code }) => code === chosen)) !== computed;
}

/** The items of rules among those of a form, by their names. */
export function ruleItems(items: readonly QuestionnaireItem[]): Map<string, QuestionnaireItem> {
  return new Map(items.filter(({ linkId }) => linkId.startsWith(RULE)).map((item) => [item.linkId, item]));
}

const isOpen = ({ state }: RunStep) => state === "ready" || state === "taken";

/** The step of a case that grades, if one is open: the first time, or once more because the wait was too long. */
export function gradingOf({ runs }: Pick<Case, "runs">, protocolOf: (code: string) => Protocol | undefined): { step: RunStep; isAgain: boolean } | undefined {
  for (const run of runs) {
    const first = run.steps.find((step) => step.code === TRIAGE && isOpen(step));
    if (first !== undefined) return { step: first, isAgain: false };
    // Whatever else asks for the same form grades anew.
    const form = protocolOf(run.protocol.code)?.step?.find(({ code }) => code === TRIAGE)?.form;
    const again = run.steps.find((step) => form !== undefined && step.form === form && step.code !== TRIAGE && isOpen(step));
    if (again !== undefined) return { step: again, isAgain: true };
  }
  return undefined;
}

/** The level of a case by its class, from 1; nothing before it was graded. */
export function gradeOf({ runs }: Pick<Case, "runs">, protocolOf: (code: string) => Protocol | undefined): number | undefined {
  for (const { protocol, class: own } of runs) {
    const place = (protocolOf(protocol.code)?.class ?? []).findIndex(({ code }) => code === own?.code);
    if (place >= 0) return levelAt(place);
  }
  return undefined;
}

/** Since when somebody is here: since they arrived, and where nobody says when that was, since their run began. */
export function cameAt({ runs }: Pick<Case, "runs">): number {
  const place = placeOf(runs);
  return place.kind === "door" ? place.since : Math.min(...runs.map(({ began }) => Date.parse(began)));
}

/** Who is at the door: has arrived, can be graded, or was. Whoever is still on the road is on the board. */
export function isHere(one: Case, protocolOf: (code: string) => Protocol | undefined): boolean {
  return placeOf(one.runs).kind === "door" || gradingOf(one, protocolOf) !== undefined || one.runs.some((run) => standing(run, "triaged") !== undefined);
}

/**
 * By level, and within a level whoever is to be looked at again first, then what breaks first. Somebody whom nobody has
 * graded yet may be as grave as the second level, and stands before it.
 */
export function queued(cases: readonly Case[], protocolOf: (code: string) => Protocol | undefined, now: number): Case[] {
  const level = (one: Case) => gradeOf(one, protocolOf) ?? 1.5;
  const again = (one: Case) => (gradingOf(one, protocolOf)?.isAgain === true ? 0 : 1);
  const left = ({ runs }: Case) => {
    const clock = mostUrgent(openClocks(runs));
    return (clock && leftAt(clock, now)) ?? Number.MAX_SAFE_INTEGER;
  };
  return [...cases].sort((one, other) => level(one) - level(other) || again(one) - again(other) || left(one) - left(other) || cameAt(one) - cameAt(other));
}
