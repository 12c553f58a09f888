import type { Parameter, Task } from "@qingshan/client";

/** Codes of the work that the platform itself hands out. */
export const TASK = "https://qingshan.dev/fhir/CodeSystem/task";
const REVIEW = "https://qingshan.dev/fhir/CodeSystem/review";

/** What a privacy officer finds about an emergency access. */
export type Judgement = "justified" | "unjustified";

/** Whether a task is the review of an emergency access. */
export function isEmergency(task: Task): boolean {
  return task.code?.coding?.some(({ system, code }) => system === TASK && code === "emergency-access") ?? false;
}

/** The reason that was given, where it stands as an input or a note instead of a code. */
export function reasonOf(task: Task): string | undefined {
  return task.description ?? task.note?.[0]?.text ?? task.input?.find((input) => input.valueString !== undefined)?.valueString;
}

/** The task with its finding. `at` is a moment in FHIR's notation. */
export function decided(task: Task, judgement: Judgement, note: string, at: string): Task {
  const notes = note === "" ? (task.note ?? []) : [...(task.note ?? []), { text: note, time: at }];
  return {
    ...task,
    status: "completed",
    businessStatus: { coding: [{ system: REVIEW, code: judgement }] },
    ...(notes.length > 0 && { note: notes }),
  };
}

/** Two records that may be of one person, and how alike they are. */
export interface Pair {
  task: Task;
  /** Ids of the two `Patient` resources. */
  left: string;
  right: string;
  /** How alike they are in all; the scale is that of the index. */
  score: number | undefined;
  /** What spoke for and against it, field by field, as the index wrote it. */
  reasons: string[];
}

/** The pair a task asks about; nothing when it names no two records. */
export function pairOf(task: Task): Pair | undefined {
  const named = [task.focus, task.for, ...(task.input ?? []).map((input) => input.valueReference)];
  const ids = named.map((reference) => /^Patient\/(.+)$/.exec(reference?.reference ?? "")?.[1]).filter((id) => id !== undefined);
  const [left, right] = [...new Set(ids)];
  if (left === undefined || right === undefined) return undefined;
  const score = task.input?.find((input) => input.valueDecimal !== undefined)?.valueDecimal;
  const reasons = (task.input ?? []).map((input) => input.valueString).filter((text) => text !== undefined);
  return { task, left, right, score, reasons };
}

/** What a registrar decides about a pair. */
export function answered(task: Task, answer: "same" | "different"): Task {
  return { ...task, status: "completed", businessStatus: { coding: [{ system: REVIEW, code: answer }] } };
}

/** What `$merge` and `$unmerge` are asked: which record goes on, and which is folded into it. */
export function merging(source: string, target: string): Parameter[] {
  return [
    { name: "source-patient", valueReference: { reference: `Patient/${source}` } },
    { name: "target-patient", valueReference: { reference: `Patient/${target}` } },
  ];
}
