import type { AnswerValue, Coding, EnableWhen, Questionnaire, QuestionnaireItem, ResponseItem } from "@qingshan/client";
import type { Locale } from "../calendar";
import { codingsOf, found, isRepeatingGroup, timeKey, withName, withNames, type Filled, type Knowledge } from "./filled";
import { equal, equivalent, order } from "./path/compare";
import type { Environment } from "./path/evaluate";
import { memberOf, truth } from "./path/item";
import { operandsOf, PathError } from "./path/parse";
import { expressionOf, isHidden, occursOf, rulesOf, variablesOf } from "./questionnaire";
import { answerOf, problemOf, slotOf, type Problem, type Slot } from "./values";

/** One item of a form as it stands now. */
export interface Field {
  key: string;
  item: QuestionnaireItem;
  /** Whether it is asked at all, by the answers there are. */
  isEnabled: boolean;
  isHidden: boolean;
  /** Its value follows from others, or is not for people to change. */
  isFixed: boolean;
  slots: readonly Slot[];
  /** What stands within it, unless it is a repeating group. */
  fields: Field[];
  /** The times of a repeating group. */
  times?: { time: string; fields: Field[] }[];
  /** Of a computed value that cannot be computed: the questions whose answers it lacks. */
  lacking: Field[];
}

/** A form with everything that follows from what stands in it. */
export interface Settled {
  fields: Field[];
  /** The items of the response, without what is not asked. */
  items: ResponseItem[];
}

/** A condition that depends on one that depends on it would go round for ever; forms that settle do so sooner. */
const MOST_ROUNDS = 12;

interface Known {
  isEnabled: boolean;
  computed: AnswerValue[];
}

/** Works out what is asked, what is computed and what the response is. Pure: the same answers give the same form. */
export function settle(form: Questionnaire, filled: Filled, knowledge: Knowledge): Settled {
  let known = new Map<string, Known>();
  let settled = round(form, filled, knowledge, known);
  for (let rounds = 1; rounds < MOST_ROUNDS && print(settled.known) !== print(known); rounds += 1) {
    known = settled.known;
    settled = round(form, filled, knowledge, known);
  }
  return { fields: settled.fields, items: settled.items };
}

const print = (known: ReadonlyMap<string, Known>) => JSON.stringify([...known]);

function round(form: Questionnaire, filled: Filled, { environment, lists }: Knowledge, before: ReadonlyMap<string, Known>) {
  const contexts = new Map<string, ResponseItem>();
  const fields = fieldsOf(form.item, "", filled, before, true);
  const items = responseOf(fields, contexts);
  const response = { resourceType: "QuestionnaireResponse", status: "in-progress", item: items };
  const known = new Map<string, Known>();
  const base = withNames(withName(withName(environment, "resource", response), "questionnaire", form), variablesOf(form), response);
  const visit = (inner: readonly Field[], outer: Environment, isAsked: boolean): void => {
    for (const field of inner) {
      const { key, item } = field;
      const context = contexts.get(key) ?? { linkId: item.linkId };
      const own = withName(withName(outer, "context", context), "qitem", item);
      const named = withNames(own, variablesOf(item), context);
      const isEnabled = isAsked && isWanted(item, key, fields, named, response);
      const expression = expressionOf(item, "calculated");
      const computed: AnswerValue[] = [];
      if (expression !== undefined && isEnabled) {
        const names = [...variablesOf(form), ...variablesOf(item)];
        const isReady = lackingOf(expression, "needed", key, fields, names).length === 0;
        const results = isReady ? found(expression, response, named) : [];
        computed.push(...results.flatMap((one) => answerOf(item, one, codingsOf(item, lists)) ?? []));
        if (computed.length === 0) field.lacking = askedFor(lackingOf(expression, "all", key, fields, names), fields);
      }
      known.set(key, { isEnabled, computed });
      if (field.times === undefined) visit(field.fields, named, isEnabled);
      else for (const { time, fields: within } of field.times) {
        const each = contexts.get(timeKey(key, time)) ?? { linkId: item.linkId };
        visit(within, withNames(withName(named, "context", each), variablesOf(item), each), isEnabled);
      }
    }
  };
  visit(fields, base, true);
  return { fields, items, known };
}

function fieldsOf(items: readonly QuestionnaireItem[] | undefined, prefix: string, filled: Filled, known: ReadonlyMap<string, Known>, isAsked: boolean): Field[] {
  return (items ?? []).map((item): Field => {
    const key = prefix + item.linkId;
    const { isEnabled = true, computed = [] } = known.get(key) ?? {};
    const isComputed = expressionOf(item, "calculated") !== undefined;
    const field: Field = {
      key,
      item,
      isEnabled: isAsked && isEnabled,
      isHidden: isHidden(item),
      isFixed: isComputed || item.readOnly === true,
      slots: isComputed ? computed.map((value) => slotOf(item, value)) : (filled.slots[key] ?? []),
      fields: [],
      lacking: [],
    };
    if (isRepeatingGroup(item)) {
      const times = filled.times[key] ?? [];
      field.times = times.map((time) => ({ time, fields: fieldsOf(item.item, timeKey(key, time), filled, known, field.isEnabled) }));
    } else field.fields = fieldsOf(item.item, prefix, filled, known, field.isEnabled);
    return field;
  });
}

function responseOf(fields: readonly Field[], contexts: Map<string, ResponseItem>): ResponseItem[] {
  const items: ResponseItem[] = [];
  for (const { key, item, isEnabled, slots, fields: inner, times } of fields) {
    if (!isEnabled || item.type === "display") continue;
    const { linkId, text, _text } = item;
    const about = { linkId, ...(text !== undefined && { text }), ...(_text !== undefined && { _text }) };
    if (times !== undefined) {
      for (const { time, fields: within } of times) {
        const one: ResponseItem = { ...about, item: responseOf(within, contexts) };
        contexts.set(timeKey(key, time), one);
        if ((one.item?.length ?? 0) > 0) items.push(one);
      }
      continue;
    }
    const within = responseOf(inner, contexts);
    const answer: NonNullable<ResponseItem["answer"]> = slots.flatMap(({ value }) => (value === undefined ? [] : [{ ...value }]));
    if (item.type === "group") {
      const group: ResponseItem = { ...about, item: within };
      contexts.set(key, group);
      if (within.length > 0) items.push(group);
    } else if (answer.length > 0) {
      if (within.length > 0 && answer[0] !== undefined) answer[0].item = within;
      const question: ResponseItem = { ...about, answer };
      contexts.set(key, question);
      items.push(question);
    }
  }
  return items;
}

/** Every field, outer ones first. */
export function* walk(fields: readonly Field[]): Generator<Field> {
  for (const field of fields) {
    yield field;
    yield* walk(field.fields);
    for (const { fields: within } of field.times ?? []) yield* walk(within);
  }
}

/** The fields of a question as they are meant from a place in the form: those nearest to it. */
function meant(linkId: string, from: string, fields: readonly Field[]): Field[] {
  const same = [...walk(fields)].filter(({ item }) => item.linkId === linkId);
  const scopes = from.split("/").slice(0, -1);
  for (let depth = scopes.length; depth > 0; depth -= 1) {
    const scope = `${scopes.slice(0, depth).join("/")}/`;
    const near = same.filter(({ key }) => key.startsWith(scope));
    if (near.length > 0) return near;
  }
  return same;
}

function isWanted(item: QuestionnaireItem, key: string, fields: readonly Field[], environment: Environment, response: unknown): boolean {
  const expression = expressionOf(item, "enableWhen");
  // A form whose condition cannot be read asks rather than hides.
  if (expression !== undefined && !holds(expression, response, environment, true)) return false;
  const conditions = item.enableWhen ?? [];
  if (conditions.length === 0) return true;
  const met = conditions.map((condition) => isMet(condition, meant(condition.question, key, fields)));
  return item.enableBehavior === "any" ? met.includes(true) : !met.includes(false);
}

function holds(expression: string, focus: unknown, environment: Environment, otherwise: boolean): boolean {
  try {
    return truth(found(expression, focus, environment)) === true;
  } catch (cause) {
    if (cause instanceof PathError) return otherwise;
    throw cause;
  }
}

function isMet(condition: EnableWhen, fields: readonly Field[]): boolean {
  const answers = fields.flatMap(({ isEnabled, slots }) => (isEnabled ? slots.flatMap(({ value }) => value ?? []) : []));
  if (condition.operator === "exists") return answers.length > 0 === condition.answerBoolean;
  const [wanted] = memberOf({ value: condition, type: undefined }, "answer");
  if (wanted === undefined) return false;
  return answers.some((answer) => {
    const [given] = memberOf({ value: answer, type: undefined }, "value");
    if (given === undefined) return false;
    const isSame = wanted.type === "Coding" ? equivalent(given, wanted) : equal(given, wanted) === true;
    if (condition.operator === "=") return isSame;
    if (condition.operator === "!=") return !isSame;
    const place = order(given, wanted);
    if (place === undefined) return false;
    return condition.operator === ">" ? place > 0 : condition.operator === "<" ? place < 0 : condition.operator === ">=" ? place >= 0 : place <= 0;
  });
}

const isQuestion = ({ item }: Field) => item.type !== "group" && item.type !== "display";
const isAnswered = ({ isEnabled, slots }: Field) => isEnabled && slots.some(({ value }) => value !== undefined);

/** The questions an expression computes with that have no answer. What they are computed from stands for them. */
function lackingOf(
  expression: string,
  which: "all" | "needed",
  from: string,
  fields: readonly Field[],
  names: readonly { name: string; expression: string }[],
  seen: readonly string[] = [],
): Field[] {
  const { questions, variables } = operandsOf(expression)[which];
  const named = names.filter(({ name }) => variables.has(name) && !seen.includes(name));
  const lacking = new Set(named.flatMap(({ name, expression }) => lackingOf(expression, "all", from, fields, names, [...seen, name])));
  for (const linkId of questions) {
    for (const field of meant(linkId, from, fields)) {
      const within = [...walk([field])];
      // A group that is only the way to a question inside it is not asked for itself.
      const isWay = !isQuestion(field) && within.some((other) => other !== field && questions.has(other.item.linkId));
      for (const one of isQuestion(field) ? [field] : isWay ? [] : within.filter(isQuestion)) {
        if (isAnswered(one) || one.key === from) continue;
        for (const root of one.lacking.length > 0 ? one.lacking : [one]) lacking.add(root);
      }
    }
  }
  return [...lacking];
}

/**
 * What can be answered of what is lacking: a question that is not asked gives way to those that decide whether it is, and
 * where they are answered it is not lacking at all.
 */
function askedFor(lacking: readonly Field[], fields: readonly Field[]): Field[] {
  const asked = new Set<Field>();
  for (const one of lacking) {
    const condition = one.isEnabled ? undefined : expressionOf(one.item, "enableWhen");
    if (condition === undefined) asked.add(one);
    else for (const linkId of operandsOf(condition).all.questions) for (const field of meant(linkId, one.key, fields)) if (isQuestion(field) && !isAnswered(field)) asked.add(field);
  }
  return asked.size > 0 ? [...asked] : [...lacking];
}

/** Something that keeps a form from being complete, and where. */
export interface Fault {
  field: Field;
  /** Which of several answers. */
  place: number;
  problem: Problem;
}

/** All that keeps a form from being complete, in the order in which it is read. */
export function faultsOf(form: Questionnaire, settled: Settled, { environment, lists }: Knowledge, locale: Locale): Fault[] {
  const shown = [...walk(settled.fields)].filter(({ isEnabled, isHidden }) => isEnabled && !isHidden);
  // A score that is required makes what it is computed from required.
  const needed = new Set(shown.flatMap(({ item, lacking }) => (item.required === true ? lacking : [])));
  const faults: Fault[] = [];
  const response = { resourceType: "QuestionnaireResponse", status: "completed", item: settled.items };
  const base = withName(withName(environment, "resource", response), "questionnaire", form);
  for (const field of shown) {
    const { item, slots, times, lacking } = field;
    slots.forEach((slot, place) => {
      const problem = problemOf(item, slot);
      if (problem !== undefined) faults.push({ field, place, problem });
      else if (slot.value?.valueCoding !== undefined && item.type === "choice" && !isListed(slot.value.valueCoding, codingsOf(item, lists))) {
        faults.push({ field, place, problem: { kind: "shape" } });
      }
    });
    const { least, most } = occursOf(item);
    const count = times === undefined ? slots.filter(({ value }) => value !== undefined).length : times.length;
    const isTyped = slots.some(({ text = "", value }) => value === undefined && text.trim() !== "");
    const isMissing = times === undefined && (isQuestion(field) ? count === 0 && !isTyped : !walkAnswered(field));
    if ((item.required === true || needed.has(field)) && isMissing && item.type !== "display" && lacking.length === 0) {
      faults.push({ field, place: 0, problem: { kind: "required" } });
    } else if (count > 0 || times !== undefined) {
      if (count < least && !isTyped && (isQuestion(field) || times !== undefined)) faults.push({ field, place: 0, problem: { kind: "few", places: { least } } });
      if (count > most) faults.push({ field, place: 0, problem: { kind: "many", places: { most } } });
    }
    for (const { expression, human } of rulesOf(item, locale)) {
      if (isAnswered(field) && !holds(expression, response, withName(base, "context", { linkId: item.linkId }), true)) {
        faults.push({ field, place: 0, problem: { kind: "rule", places: { human } } });
      }
    }
  }
  return faults;
}

const walkAnswered = (field: Field): boolean => [...walk([field])].some((one) => isQuestion(one) && isAnswered(one));

function isListed(coding: Coding, codings: readonly Coding[]): boolean {
  // A list that is not loaded cannot tell.
  return codings.length === 0 || codings.some(({ system, code }) => code === coding.code && system === coding.system);
}
