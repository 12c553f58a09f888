import type { AnswerValue, Coding, Questionnaire, QuestionnaireItem, QuestionnaireResponse, ResponseItem } from "@qingshan/client";
import { evaluate, type Environment } from "./path/evaluate";
import { itemsOf as collection, type Item } from "./path/item";
import { PathError } from "./path/parse";
import { expressionOf, occursOf, ownOptions, populationOf, variablesOf } from "./questionnaire";
import { answerOf, slotOf, type Slot } from "./values";

/**
 * What stands in a form. A question is known by its `linkId` behind the times of the repeating groups it stands in, as
 * in `medicine#2/dose`; a time keeps its name when an earlier one is taken out.
 */
export interface Filled {
  readonly slots: Readonly<Record<string, readonly Slot[]>>;
  /** The times of each repeating group, in order. */
  readonly times: Readonly<Record<string, readonly string[]>>;
}

/** What a form knows besides what is typed in it. */
export interface Knowledge {
  environment: Environment;
  /** The codings of each value set that was loaded, by its address. */
  lists: ReadonlyMap<string, readonly Coding[]>;
  /** Whose record is pointed to where a form points to a record, as a reference. */
  patient?: string | undefined;
}

export const isRepeatingGroup = ({ type, repeats }: QuestionnaireItem): boolean => type === "group" && repeats === true;

export const timeKey = (key: string, time: string): string => `${key}#${time}/`;

/** The codings an item's answer is one of, as far as they are known. */
export function codingsOf(item: QuestionnaireItem, lists: Knowledge["lists"]): readonly Coding[] {
  if (item.answerValueSet !== undefined) return lists.get(item.answerValueSet) ?? [];
  return ownOptions(item).flatMap(({ value }) => value.valueCoding ?? []);
}

/** What an expression gives; nothing when it cannot be evaluated here. */
export function found(expression: string, focus: unknown, environment: Environment): Item[] {
  try {
    return evaluate(expression, focus, environment);
  } catch (cause) {
    // What a form asks for and nobody knows stays empty, as if there were no such data.
    if (cause instanceof PathError) return [];
    throw cause;
  }
}

/** The environment with further names, each built on those before it. */
export function withNames(environment: Environment, named: readonly { name: string; expression: string }[], focus: unknown): Environment {
  if (named.length === 0) return environment;
  const variables = new Map(environment.variables);
  for (const { name, expression } of named) variables.set(name, found(expression, focus, { ...environment, variables }));
  return { ...environment, variables };
}

/** The environment with a name for one thing. */
export function withName(environment: Environment, name: string, value: unknown): Environment {
  return { ...environment, variables: new Map(environment.variables).set(name, collection(value)) };
}

/** A form as it is when it is opened: with what it says to begin with, and what the record knows. */
export function begin(form: Questionnaire, knowledge: Knowledge): Filled {
  const slots: Record<string, Slot[]> = {};
  const times: Record<string, string[]> = {};
  const enter = (items: readonly QuestionnaireItem[] | undefined, prefix: string, environment: Environment): void => {
    for (const item of items ?? []) {
      const key = prefix + item.linkId;
      if (isRepeatingGroup(item)) {
        const population = populationOf(item);
        const sources = population === undefined ? [] : found(population.expression, undefined, environment);
        const count = Math.max(sources.length, occursOf(item).least);
        times[key] = Array.from({ length: count }, (_, place) => String(place + 1));
        times[key]?.forEach((time, place) => {
          const own = population === undefined ? environment : withName(environment, population.name, sources[place]?.value);
          enter(item.item, timeKey(key, time), own);
        });
        continue;
      }
      const answers = initialOf(item, { ...knowledge, environment });
      if (answers.length > 0) slots[key] = answers.map((value) => slotOf(item, value));
      enter(item.item, prefix, environment);
    }
  };
  const environment = withNames(knowledge.environment, variablesOf(form), undefined);
  enter(form.item, "", environment);
  return { slots, times };
}

function initialOf(item: QuestionnaireItem, { environment, lists }: Knowledge): AnswerValue[] {
  const expression = expressionOf(item, "initial");
  const codings = codingsOf(item, lists);
  const named = expression === undefined ? [] : found(expression, undefined, withNames(environment, variablesOf(item), undefined));
  const computed = named.flatMap((one) => answerOf(item, one, codings) ?? []);
  const chosen = ownOptions(item).flatMap(({ value, isFirst }) => (isFirst ? [value] : []));
  const answers = computed.length > 0 ? computed : [...(item.initial ?? []), ...chosen];
  return item.repeats === true ? answers : answers.slice(0, 1);
}

/** A form as it was when a response was kept. What the form no longer asks is left out. */
export function resume(form: Questionnaire, response: QuestionnaireResponse): Filled {
  const slots: Record<string, Slot[]> = {};
  const times: Record<string, string[]> = {};
  const enter = (items: readonly QuestionnaireItem[] | undefined, given: readonly ResponseItem[], prefix: string): void => {
    for (const item of items ?? []) {
      const key = prefix + item.linkId;
      const own = given.filter(({ linkId }) => linkId === item.linkId);
      if (isRepeatingGroup(item)) {
        times[key] = own.map((_, place) => String(place + 1));
        own.forEach((one, place) => enter(item.item, one.item ?? [], timeKey(key, String(place + 1))));
        continue;
      }
      const answers = own.flatMap(({ answer }) => answer ?? []);
      const values = answers.map(({ item: _, ...value }) => value);
      if (values.length > 0) slots[key] = values.map((value) => slotOf(item, value));
      enter(item.item, [...own.flatMap((one) => one.item ?? []), ...answers.flatMap((answer) => answer.item ?? [])], prefix);
    }
  };
  enter(form.item, response.item ?? [], "");
  return { slots, times };
}

/** The same with other answers in one place. */
export function withSlots(filled: Filled, key: string, slots: readonly Slot[]): Filled {
  return { ...filled, slots: { ...filled.slots, [key]: slots } };
}

/** The same with one time more of a repeating group, and the name of that time. */
export function withTime(filled: Filled, key: string): { filled: Filled; time: string } {
  const times = filled.times[key] ?? [];
  const time = String(Math.max(0, ...times.map(Number)) + 1);
  return { filled: { ...filled, times: { ...filled.times, [key]: [...times, time] } }, time };
}

/** The same without one time of a repeating group and all that stood in it. */
export function withoutTime(filled: Filled, key: string, time: string): Filled {
  const gone = timeKey(key, time);
  const rest = <T>(record: Readonly<Record<string, T>>) => Object.fromEntries(Object.entries(record).filter(([one]) => !one.startsWith(gone)));
  const times = rest(filled.times);
  return { slots: rest(filled.slots), times: { ...times, [key]: (filled.times[key] ?? []).filter((one) => one !== time) } };
}

/** Whether anything stands in a form. */
export function isBlank({ slots }: Filled): boolean {
  return Object.values(slots).every((own) => own.every(({ text = "", value }) => text === "" && value === undefined));
}
