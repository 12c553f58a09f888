import { bounds } from "../../calendar";
import { isTemporal, isTree, quantityOf, type Item, type Quantity } from "./item";

const UNIT_SECONDS: Readonly<Record<string, number>> = { week: 604_800, day: 86_400, hour: 3_600, minute: 60, second: 1, millisecond: 0.001 };
const UNIT_MASS: Readonly<Record<string, number>> = { kg: 1_000, g: 1, mg: 0.001, ug: 0.000_001 };
const UNIT_LENGTH: Readonly<Record<string, number>> = { m: 1, dm: 0.1, cm: 0.01, mm: 0.001 };
const UNIT_MONTHS: Readonly<Record<string, number>> = { year: 12, month: 1 };

/** Two quantities in one unit, where that needs no more than a factor. */
function alike(left: Quantity, right: Quantity): [number, number] | undefined {
  if (left.unit === right.unit) return [left.value, right.value];
  for (const table of [UNIT_SECONDS, UNIT_MONTHS, UNIT_MASS, UNIT_LENGTH]) {
    const [one, other] = [table[left.unit], table[right.unit]];
    if (one !== undefined && other !== undefined) return [left.value * one, right.value * other];
  }
  return undefined;
}

/** Which of two comes first, below and above zero; nothing when that cannot be told. */
export function order(left: Item, right: Item): number | undefined {
  const [one, other] = [left.value, right.value];
  if (typeof one === "number" && typeof other === "number") return one - other;
  if (isTemporal(left) && isTemporal(right)) return orderTimes(left.value, right.value);
  if (typeof one === "string" && typeof other === "string") return one < other ? -1 : one > other ? 1 : 0;
  const quantities = [quantityOf(left), quantityOf(right)];
  if (typeof one === "number" && quantities[1]?.unit === "1") return one - quantities[1].value;
  if (typeof other === "number" && quantities[0]?.unit === "1") return quantities[0].value - other;
  const same = quantities[0] && quantities[1] && alike(quantities[0], quantities[1]);
  return same && same[0] - same[1];
}

/** Times of different precision are in order only when no moment they may mean contradicts it. */
function orderTimes(left: string, right: string): number | undefined {
  if (left === right) return 0;
  const [one, other] = [bounds(left), bounds(right)];
  if (one === undefined || other === undefined) return left.includes(":") && right.includes(":") ? (left < right ? -1 : 1) : undefined;
  if (one.to < other.from) return -1;
  if (other.to < one.from) return 1;
  return one.from === other.from && one.to === other.to ? 0 : undefined;
}

/** Whether two items are equal; nothing when that cannot be told. <https://hl7.org/fhirpath/N1/index.html#equality> */
export function equal(left: Item, right: Item): boolean | undefined {
  const [one, other] = [left.value, right.value];
  if (isTemporal(left) && isTemporal(right)) {
    const found = orderTimes(left.value, right.value);
    return found === undefined ? undefined : found === 0;
  }
  const quantities = [quantityOf(left), quantityOf(right)];
  if (quantities[0] && quantities[1]) {
    const same = alike(quantities[0], quantities[1]);
    return same && same[0] === same[1];
  }
  return deep(one, other);
}

function deep(one: unknown, other: unknown): boolean {
  if (Array.isArray(one) && Array.isArray(other)) return one.length === other.length && one.every((part, place) => deep(part, other[place]));
  if (isTree(one) && isTree(other)) {
    const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
    return [...keys].every((key) => deep(one[key], other[key]));
  }
  return one === other;
}

/** Whether two items mean the same: text without regard to case and spaces, codes by system and code. */
export function equivalent(left: Item, right: Item): boolean {
  const [one, other] = [left.value, right.value];
  const fold = (value: string) => value.toLowerCase().trim().replace(/\s+/g, " ");
  if (typeof one === "string" && typeof other === "string") return fold(one) === fold(other);
  if (isTree(one) && isTree(other)) {
    const codings = (tree: Readonly<Record<string, unknown>>): unknown[] => (Array.isArray(tree["coding"]) ? tree["coding"] : "code" in tree ? [tree] : []);
    const [first, second] = [codings(one), codings(other)];
    if (first.length > 0 && second.length > 0) {
      return first.some((a) => second.some((b) => isTree(a) && isTree(b) && a["system"] === b["system"] && a["code"] === b["code"]));
    }
  }
  return equal(left, right) ?? false;
}
