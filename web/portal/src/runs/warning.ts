import type { Protocol, QuestionnaireResponse, ResponseItem, RunView, When } from "@qingshan/client";
import type { Answer } from "./Answers";
import { reachedBy } from "./graph";

/** The milestones by which a protocol says that it is warned of, that the warning was sent anew, and that it was read. */
export const SENT = "sent";
export const UPDATED = "updated";
const READ = "read";

/** One version of a warning: what was sent first, or what was sent later of what had changed. */
export interface Version {
  n: number;
  response: QuestionnaireResponse;
  by: string | undefined;
  /** When it was written, by the clock of whoever wrote it. */
  written: When | undefined;
  /** When the record had it. */
  received: When;
}

/** What became of one answer. */
export interface Change {
  linkId: string;
  /** What was asked, in the words of the form. */
  item: ResponseItem;
  before: readonly Answer[];
  after: readonly Answer[];
  /** The version that changed it last. */
  version: Version;
}

/** Whether a protocol's runs begin with a warning that can be sent anew. */
export function isWarned({ milestone }: Pick<Protocol, "milestone">): boolean {
  const codes = new Set((milestone ?? []).map(({ code }) => code));
  return codes.has(SENT) && codes.has(UPDATED);
}

/** The steps by which a warning is sent anew. */
export const resends = (protocol: Pick<Protocol, "step">): Set<string> =>
  new Set((protocol.step ?? []).filter((step) => reachedBy(step).includes(UPDATED)).map(({ code }) => code));

/** The steps by which somebody says that they have read what was sent anew. */
export const rereads = (protocol: Pick<Protocol, "step">): Set<string> =>
  new Set((protocol.step ?? []).filter(({ requires = [], acknowledgements = 0 }) => requires.includes(UPDATED) && acknowledgements > 0).map(({ code }) => code));

/** The versions of a warning, the first one first. What arrived later is a later version, whenever it was written. */
export function versionsOf(first: QuestionnaireResponse | undefined, later: readonly { response: QuestionnaireResponse; by: string | undefined }[]): Version[] {
  const received = ({ meta, authored }: QuestionnaireResponse) => meta?.lastUpdated ?? authored ?? "";
  const own = later.map(({ response, by }) => ({ response, by, written: response.authored, received: received(response) }));
  own.sort((one, other) => Date.parse(one.received) - Date.parse(other.received));
  const begun = first === undefined ? [] : [{ response: first, by: first.author?.reference, written: first.authored, received: received(first) }];
  return [...begun, ...own].map((version, place) => ({ n: place + 1, ...version }));
}

/**
 * When somebody last read the warning, in milliseconds since 1970. What arrived after that has not been read, also when it
 * was written before: an ambulance in a tunnel sends later what it wrote earlier.
 */
export function readAt(run: Pick<RunView, "milestones" | "steps">, protocol: Pick<Protocol, "step">): number {
  const seen = rereads(protocol);
  const steps = run.steps.filter(({ code }) => seen.has(code)).flatMap(({ acknowledged = [] }) => acknowledged.map(({ at }) => Date.parse(at)));
  const first = run.milestones.filter(({ code, superseded }) => code === READ && !superseded).map(({ recorded }) => Date.parse(recorded));
  return Math.max(Number.NEGATIVE_INFINITY, ...steps, ...first);
}

/** Versions that nobody has read since they arrived. */
export const unreadOf = (versions: readonly Version[], read: number): Version[] => versions.filter(({ received }) => !(Date.parse(received) <= read));

/** The answers to one question of a form that was filled in, wherever it stands in it. */
export const answersTo = (response: QuestionnaireResponse | undefined, linkId: string): readonly Answer[] =>
  [...answered(response?.item)].find((item) => item.linkId === linkId)?.answer ?? [];

function* answered(items: readonly ResponseItem[] | undefined): Generator<ResponseItem> {
  for (const item of items ?? []) {
    if ((item.answer ?? []).length > 0) yield item;
    yield* answered(item.item);
    for (const { item: inner } of item.answer ?? []) yield* answered(inner);
  }
}

/** An answer without what it is made of below, to tell whether two are the same. */
const bare = ({ item: _, ...value }: Answer) => JSON.stringify(value);
const isSame = (one: readonly Answer[], other: readonly Answer[]) => one.length === other.length && one.every((answer, place) => bare(answer) === bare(other[place] ?? {}));

/**
 * What is another answer after some versions than it was before them. A version says only what changed: what it leaves out
 * is as it was.
 */
export function changesOf(before: readonly Version[], after: readonly Version[]): Change[] {
  const known = new Map<string, readonly Answer[]>();
  for (const { response } of before) for (const { linkId, answer = [] } of answered(response.item)) known.set(linkId, answer);
  const changes = new Map<string, Change>();
  for (const version of after) {
    for (const item of answered(version.response.item)) {
      const { linkId, answer = [] } = item;
      const old = known.get(linkId) ?? [];
      const now = changes.get(linkId)?.after ?? old;
      if (isSame(answer, now)) continue;
      changes.set(linkId, { linkId, item, before: old, after: answer, version });
    }
  }
  // What was changed and changed back is as it was read.
  return [...changes.values()].filter(({ before: old, after: now }) => !isSame(old, now));
}
