import type { AnswerValue, Coding, QuestionnaireItem } from "@qingshan/client";
import { bounds, dayAt, minuteAt, readDay, readMinute } from "../calendar";
import type { Item } from "./path/item";
import { isTree } from "./path/item";
import { rangeOf, shapeOf, unitOf } from "./questionnaire";
import { shownUnit } from "./units";

/** What is wrong with an answer: a string of the catalogues, and what fills its places. */
export interface Problem {
  kind:
    | "required"
    | "number"
    | "integer"
    | "decimals"
    | "date"
    | "dateTime"
    | "time"
    | "least"
    | "most"
    | "short"
    | "long"
    | "shape"
    | "few"
    | "many"
    | "rule"
    | "large";
  places?: Record<string, string | number>;
}

/** One answer as it stands in the form: what was typed, and what it means once it means something. */
export interface Slot {
  text?: string;
  value?: AnswerValue;
}

/** The kinds of items whose answer is typed. */
export const isTyped = ({ type }: QuestionnaireItem): boolean =>
  ["string", "text", "url", "integer", "decimal", "quantity", "date", "dateTime", "time"].includes(type);

type Reading = { value: AnswerValue } | { problem: Problem };

/** Reads what was typed; nothing when nothing was. */
export function readTyped(item: QuestionnaireItem, typed: string): Reading | undefined {
  const text = item.type === "text" || item.type === "string" ? typed.trim() : typed.normalize("NFKC").trim();
  if (text === "") return undefined;
  switch (item.type) {
    case "integer":
      return /^[+-]?\d{1,10}$/.test(text) ? { value: { valueInteger: Number(text) } } : { problem: { kind: "integer" } };
    case "decimal":
    case "quantity": {
      if (!/^[+-]?(\d{1,15}([.]\d{0,10})?|[.]\d{1,10})$/.test(text)) return { problem: { kind: "number" } };
      const value = Number(text);
      if (item.type === "decimal") return { value: { valueDecimal: value } };
      const { system, code, display } = unitOf(item) ?? {};
      const unit = display ?? code;
      const coded = { ...(unit !== undefined && { unit }), ...(system !== undefined && { system }), ...(code !== undefined && { code }) };
      return { value: { valueQuantity: { value, ...coded } } };
    }
    case "date": {
      const day = readDay(text);
      return day === undefined ? { problem: { kind: "date" } } : { value: { valueDate: day } };
    }
    case "dateTime": {
      const minute = readMinute(text);
      return minute === undefined ? { problem: { kind: "dateTime" } } : { value: { valueDateTime: minute } };
    }
    case "time": {
      const [, hour = "", minute = ""] = /^(\d{1,2})[:.]?(\d\d)$/.exec(text) ?? [];
      const isTime = hour !== "" && Number(hour) < 24 && Number(minute) < 60;
      return isTime ? { value: { valueTime: `${hour.padStart(2, "0")}:${minute}:00` } } : { problem: { kind: "time" } };
    }
    case "url":
      return { value: { valueUri: text } };
    default:
      return { value: { valueString: text } };
  }
}

/** An answer as one would type it. */
export function typedOf(value: AnswerValue): string {
  if (value.valueDateTime !== undefined) {
    const moment = bounds(value.valueDateTime)?.from;
    return value.valueDateTime.includes("T") && moment !== undefined ? minuteAt(moment) : value.valueDateTime;
  }
  if (value.valueTime !== undefined) return value.valueTime.slice(0, 5);
  if (value.valueQuantity !== undefined) return String(value.valueQuantity.value ?? "");
  const [first] = Object.values(value) as unknown[];
  return typeof first === "string" || typeof first === "number" ? String(first) : "";
}

/** A slot that holds an answer. */
export function slotOf(item: QuestionnaireItem, value: AnswerValue): Slot {
  return isTyped(item) ? { text: typedOf(value), value } : { value };
}

/** What is wrong with one answer by itself. */
export function problemOf(item: QuestionnaireItem, slot: Slot): Problem | undefined {
  const reading = slot.text === undefined ? undefined : readTyped(item, slot.text);
  if (reading !== undefined && "problem" in reading) return reading.problem;
  const { value } = slot;
  if (value === undefined) return undefined;
  const { least, most } = rangeOf(item);
  const unit = shownUnit(unitOf(item));
  const number = value.valueInteger ?? value.valueDecimal ?? value.valueQuantity?.value;
  if (number !== undefined) {
    if (typeof least === "number" && number < least) return { kind: "least", places: { least, unit } };
    if (typeof most === "number" && number > most) return { kind: "most", places: { most, unit } };
    const { decimals } = shapeOf(item);
    const digits = (slot.text ?? "").trim().split(".")[1]?.length ?? 0;
    if (decimals !== undefined && digits > decimals) return { kind: "decimals", places: { count: decimals } };
  }
  const when = bounds(value.valueDate ?? value.valueDateTime);
  if (when !== undefined) {
    const limits = { least: bounds(least as string), most: bounds(most as string) };
    if (limits.least !== undefined && when.to < limits.least.from) return { kind: "least", places: { least: String(least), unit: "" } };
    if (limits.most !== undefined && when.from > limits.most.to) return { kind: "most", places: { most: String(most), unit: "" } };
  }
  const text = value.valueString;
  if (text !== undefined) {
    const { least, most, shape } = shapeOf(item);
    const length = [...text].length;
    if (least !== undefined && length < least) return { kind: "short", places: { least } };
    if (most !== undefined && length > most) return { kind: "long", places: { most, over: length - most } };
    if (shape !== undefined && !new RegExp(`^(?:${shape})$`, "u").test(text)) return { kind: "shape" };
  }
  return undefined;
}

/**
 * What an expression gave, as an answer of the item; nothing when it cannot be one.
 *
 * @param options of a choice, so that a mere code becomes the coding it stands for
 */
export function answerOf(item: QuestionnaireItem, found: Item | undefined, options: readonly Coding[]): AnswerValue | undefined {
  const value = found?.value;
  if (value === undefined || value === null) return undefined;
  const tree = isTree(value) ? value : {};
  const text = typeof value === "string" ? value : undefined;
  switch (item.type) {
    case "boolean":
      return typeof value === "boolean" ? { valueBoolean: value } : undefined;
    case "integer": {
      const number = typeof value === "number" ? value : tree["value"];
      return typeof number === "number" && Number.isInteger(number) ? { valueInteger: number } : undefined;
    }
    case "decimal": {
      const number = typeof value === "number" ? value : tree["value"];
      return typeof number === "number" ? { valueDecimal: number } : undefined;
    }
    case "quantity": {
      if (typeof tree["value"] === "number") return { valueQuantity: tree };
      const reading = typeof value === "number" ? readTyped(item, String(value)) : undefined;
      return reading !== undefined && "value" in reading ? reading.value : undefined;
    }
    case "date": {
      const found = bounds(text);
      return text === undefined || found === undefined ? undefined : { valueDate: text.includes("T") ? dayAt(found.from) : text };
    }
    case "dateTime":
      return text === undefined || bounds(text) === undefined ? undefined : { valueDateTime: text };
    case "time":
      return text === undefined ? undefined : { valueTime: text };
    case "choice":
    case "open-choice": {
      const codings = Array.isArray(tree["coding"]) ? (tree["coding"] as Coding[]) : text === undefined ? [tree as Coding] : [{ code: text }];
      for (const coding of codings) {
        const option = options.find(({ system, code }) => code === coding.code && (coding.system === undefined || system === coding.system));
        if (option !== undefined) return { valueCoding: option };
      }
      const [coding] = codings;
      if (text !== undefined && item.type === "open-choice") return { valueString: text };
      return coding !== undefined && (coding.system !== undefined || options.length === 0) && coding.code !== undefined ? { valueCoding: coding } : undefined;
    }
    case "reference": {
      if (text !== undefined) return { valueReference: { reference: text } };
      if (typeof tree["reference"] === "string") return { valueReference: tree };
      const [type, id] = [tree["resourceType"], tree["id"]];
      return typeof type === "string" && typeof id === "string" ? { valueReference: { reference: `${type}/${id}` } } : undefined;
    }
    case "attachment":
      return isTree(value) ? { valueAttachment: tree } : undefined;
    case "url":
      return text === undefined ? undefined : { valueUri: text };
    case "string":
    case "text": {
      const words = text ?? (isTree(value) ? tree["text"] ?? tree["display"] : String(value));
      return typeof words === "string" && words.trim() !== "" ? { valueString: words } : undefined;
    }
    default:
      return undefined;
  }
}
