import type { AnswerValue, Coding, Element, Extension, Questionnaire, QuestionnaireItem } from "@qingshan/client";
import type { Locale } from "../calendar";

const CORE = "http://hl7.org/fhir/StructureDefinition/";
const SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-";

/**
 * What an item says in extensions. <http://hl7.org/fhir/R4/questionnaire-profiles.html>,
 * <http://hl7.org/fhir/uv/sdc/STU3/artifacts.html>
 */
const URLS = {
  translation: `${CORE}translation`,
  hidden: `${CORE}questionnaire-hidden`,
  control: `${CORE}questionnaire-itemControl`,
  unit: `${CORE}questionnaire-unit`,
  unitOption: `${CORE}questionnaire-unitOption`,
  minOccurs: `${CORE}questionnaire-minOccurs`,
  maxOccurs: `${CORE}questionnaire-maxOccurs`,
  minValue: `${CORE}minValue`,
  maxValue: `${CORE}maxValue`,
  minLength: `${CORE}minLength`,
  maxSize: `${CORE}maxSize`,
  decimals: `${CORE}maxDecimalPlaces`,
  regex: `${CORE}regex`,
  target: `${CORE}questionnaire-referenceResource`,
  constraint: `${CORE}questionnaire-constraint`,
  variable: `${CORE}variable`,
  enableWhen: `${SDC}enableWhenExpression`,
  calculated: `${SDC}calculatedExpression`,
  initial: `${SDC}initialExpression`,
  population: `${SDC}itemPopulationContext`,
} as const;

/** Where what an item calculates comes from. */
const SOURCE = "https://qingshan.dev/fhir/StructureDefinition/source";

/** What carries a score. <http://hl7.org/fhir/R4/extension-ordinalvalue.html> */
const ORDINAL = `${CORE}ordinalValue`;

type Extended = { extension?: Extension[] } | undefined;

const all = (of: Extended, name: keyof typeof URLS): Extension[] => (of?.extension ?? []).filter(({ url }) => url === URLS[name]);
const one = (of: Extended, name: keyof typeof URLS): Extension | undefined => all(of, name)[0];

/** Text in the reader's language, where somebody translated it; else as it was written. */
export function textIn(locale: Locale, text: string | undefined, beside: Element | undefined): string {
  for (const { extension = [] } of all(beside, "translation")) {
    const language = extension.find(({ url }) => url === "lang");
    const content = extension.find(({ url }) => url === "content")?.valueString;
    const code = language?.valueCode ?? language?.valueString ?? "";
    if (content && code.slice(0, 2) === locale.slice(0, 2)) return content;
  }
  return text ?? "";
}

/** What an item is called in the reader's language. */
export const labelOf = (locale: Locale, item: QuestionnaireItem): string => textIn(locale, item.text, item._text) || item.linkId;

export const isHidden = (item: QuestionnaireItem): boolean => one(item, "hidden")?.valueBoolean === true;

/** How an item wishes to be shown, such as `drop-down`; a wish, not a promise. */
export function controlOf(item: QuestionnaireItem): string | undefined {
  return one(item, "control")?.valueCodeableConcept?.coding?.[0]?.code;
}

/** The publication or rule by which an item is calculated, where the form names one. */
export const sourceOf = (item: QuestionnaireItem): string | undefined => item.extension?.find(({ url }) => url === SOURCE)?.valueString;

/** The unit numbers are in. */
export function unitOf(item: QuestionnaireItem): Coding | undefined {
  return one(item, "unit")?.valueCoding ?? one(item, "unitOption")?.valueCoding;
}

/** The most and the least of something, where they are said. */
export interface Bounds {
  least?: number | string;
  most?: number | string;
}

const bound = (extension: Extension | undefined): number | string | undefined =>
  extension?.valueInteger ?? extension?.valueDecimal ?? extension?.valueDate ?? extension?.valueDateTime;

/** The range of a value. */
export function rangeOf(item: QuestionnaireItem): Bounds {
  const [least, most] = [bound(one(item, "minValue")), bound(one(item, "maxValue"))];
  return { ...(least !== undefined && { least }), ...(most !== undefined && { most }) };
}

/** How many answers, or times, there are at least and at most. */
export function occursOf(item: QuestionnaireItem): { least: number; most: number } {
  const [least, most] = [one(item, "minOccurs")?.valueInteger, one(item, "maxOccurs")?.valueInteger];
  return { least: least ?? (item.required === true ? 1 : 0), most: most ?? (item.repeats === true ? Number.POSITIVE_INFINITY : 1) };
}

/** What text must be like. */
export function shapeOf(item: QuestionnaireItem): { least?: number; most?: number; decimals?: number; shape?: string } {
  const least = one(item, "minLength")?.valueInteger;
  const decimals = one(item, "decimals")?.valueInteger;
  const shape = one(item, "regex")?.valueString;
  return {
    ...(least !== undefined && { least }),
    ...(item.maxLength !== undefined && { most: item.maxLength }),
    ...(decimals !== undefined && { decimals }),
    ...(shape !== undefined && { shape }),
  };
}

/** How large a file may be, in bytes. */
export function largestFile(item: QuestionnaireItem): number | undefined {
  const megabytes = one(item, "maxSize")?.valueDecimal;
  return megabytes === undefined ? undefined : megabytes * 1_000_000;
}

/** The types of resources a reference may point to. */
export const targetsOf = (item: QuestionnaireItem): string[] => all(item, "target").flatMap(({ valueCode }) => valueCode ?? []);

/** A condition of several answers, with what is said when it does not hold. */
export interface Rule {
  expression: string;
  human: string;
}

export function rulesOf(of: Extended, locale: Locale): Rule[] {
  return all(of, "constraint").flatMap(({ extension = [] }) => {
    const part = (name: string) => extension.find(({ url }) => url === name);
    const expression = part("expression")?.valueString;
    const human = part("human") as (Extension & { _valueString?: Element }) | undefined;
    if (expression === undefined || part("severity")?.valueCode === "warning") return [];
    return [{ expression, human: textIn(locale, human?.valueString, human?._valueString) }];
  });
}

/** The names that an item, or the form, gives to expressions, in the order in which they build on one another. */
export function variablesOf(of: Extended): { name: string; expression: string }[] {
  return all(of, "variable").flatMap(({ valueExpression }) =>
    valueExpression?.name !== undefined && valueExpression.expression !== undefined
      ? [{ name: valueExpression.name, expression: valueExpression.expression }]
      : [],
  );
}

export function expressionOf(item: QuestionnaireItem, name: "enableWhen" | "calculated" | "initial"): string | undefined {
  return one(item, name)?.valueExpression?.expression;
}

/** Of a repeating group: what it is filled from, one of it each, and what each is called in its expressions. */
export function populationOf(item: QuestionnaireItem): { name: string; expression: string } | undefined {
  const { name, expression } = one(item, "population")?.valueExpression ?? {};
  return name === undefined || expression === undefined ? undefined : { name, expression };
}

/** The items and those within them. */
export function* itemsOf(items: readonly QuestionnaireItem[] | undefined): Generator<QuestionnaireItem> {
  for (const item of items ?? []) {
    yield item;
    yield* itemsOf(item.item);
  }
}

/** Every expression of a form, for finding out what it needs to know. */
export function expressionsOf(form: Questionnaire): string[] {
  const named = variablesOf(form).map(({ expression }) => expression);
  for (const item of itemsOf(form.item)) {
    for (const name of ["enableWhen", "calculated", "initial"] as const) named.push(expressionOf(item, name) ?? "");
    named.push(populationOf(item)?.expression ?? "", ...variablesOf(item).map(({ expression }) => expression));
    named.push(...rulesOf(item, "zh-CN").map(({ expression }) => expression));
  }
  return named.filter((expression) => expression !== "");
}

/** One that may be chosen. */
export interface Option {
  value: AnswerValue;
  isFirst: boolean;
}

/** The choices an item lists itself; the score of each goes with it into the answer. */
export function ownOptions(item: QuestionnaireItem): Option[] {
  return (item.answerOption ?? []).map(({ extension, initialSelected, ...value }) => {
    const score = (extension ?? []).filter(({ url }) => url === ORDINAL);
    const { valueCoding: coding } = value;
    const scored = coding !== undefined && score.length > 0 ? { valueCoding: { ...coding, extension: [...(coding.extension ?? []), ...score] } } : value;
    return { value: scored, isFirst: initialSelected === true };
  });
}

/** The score of a choice, where it has one. */
export function scoreOf(coding: Coding | undefined): number | undefined {
  return coding?.extension?.find(({ url }) => url === ORDINAL)?.valueDecimal;
}

/** Whether the words of a choice say its score themselves, as in `E4 …` and `2 …`. */
export const saysScore = (label: string, score: number): boolean => label.replace(/^[A-Z]/, "").startsWith(`${score} `);

/** What stands for a choice: its code where it has one. */
export function keyOf(value: AnswerValue): string {
  const { valueCoding: coding } = value;
  if (coding === undefined) return String(Object.values(value)[0]);
  return coding.code === undefined ? `|${coding.display ?? ""}` : `${coding.system ?? ""}|${coding.code}`;
}
