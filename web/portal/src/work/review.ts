import type { Parameters, Reference, Task } from "@qingshan/client";

/** Codes of the work that the platform itself hands out. */
export const TASK = "https://qingshan.dev/fhir/CodeSystem/task";
const REVIEW = "https://qingshan.dev/fhir/CodeSystem/review";
const PERSON_REVIEW = "https://qingshan.dev/fhir/CodeSystem/person-review";
const AGREEMENT = "https://qingshan.dev/fhir/CodeSystem/agreement";

/** What a privacy officer finds about an emergency access, or about a relation that somebody made for themselves. */
export type Judgement = "justified" | "unjustified";

/** Whether a task is the review of an emergency access. */
export function isEmergency(task: Task): boolean {
  return task.code?.coding?.some(({ system, code }) => system === TASK && code === "emergency-access") ?? false;
}

/** Whether a task is the review of a relation to a patient that somebody made for themselves. */
export function isSelfMade(task: Task): boolean {
  return task.code?.coding?.some(({ system, code }) => system === TASK && code === "self-made") ?? false;
}

/** The reason that was given: in words, by a code of the emergency reasons, or both. */
export function reasonOf(task: Task): { text: string | undefined; code: string | undefined } {
  return { text: task.reasonCode?.text, code: task.reasonCode?.coding?.[0]?.code };
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
  /** How sure the index is that they are of one person, from 0 to 1. */
  probability: number | undefined;
  /** What it found, field by field: codes of both. */
  findings: { field: string; level: string }[];
}

/** The pair a task asks about; nothing when it names no two records. */
export function pairOf(task: Task): Pair | undefined {
  const inputs = (task.input ?? []).map((input) => ({
    ...input,
    name: input.type.coding?.find(({ system }) => system === PERSON_REVIEW)?.code ?? "",
  }));
  const idOf = (reference: Reference | undefined) => /^Patient\/(.+)$/.exec(reference?.reference ?? "")?.[1];
  const left = idOf(task.focus);
  const right = idOf(inputs.find(({ name }) => name === "other")?.valueReference);
  if (left === undefined || right === undefined) return undefined;
  const findings = inputs
    .filter(({ valueCoding }) => valueCoding?.system === AGREEMENT)
    .map(({ name, valueCoding }) => ({ field: name, level: valueCoding?.code ?? "" }));
  return { task, left, right, probability: inputs.find(({ name }) => name === "probability")?.valueDecimal, findings };
}

/** The task with a registrar's answer. */
export function answered(task: Task, answer: "same" | "different"): Task {
  const decision = { type: { coding: [{ system: PERSON_REVIEW, code: "decision" }] }, valueCode: answer };
  return { ...task, status: "completed", output: [decision] };
}

/** Whether two records were taken to be of one person. */
export function isSame(task: Task): boolean {
  return task.output?.some(({ valueCode }) => valueCode === "same") ?? false;
}

/** What `$merge` is asked: which record is folded into which. `$unmerge` asks for the first alone. */
export function merging(source: string, target: string): Parameters {
  return {
    resourceType: "Parameters",
    parameter: [
      { name: "source-patient", valueReference: { reference: `Patient/${source}` } },
      { name: "target-patient", valueReference: { reference: `Patient/${target}` } },
    ],
  };
}
