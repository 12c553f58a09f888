import { PathError } from "./parse";

/** One item of a collection: a node of JSON, with what is known of its type and what stands beside it. */
export interface Item {
  value: unknown;
  type: string | undefined;
  /** The element's own extensions, which JSON keeps in a member of the same name behind a `_`. */
  beside?: unknown;
}

type Tree = Readonly<Record<string, unknown>>;

export const isTree = (value: unknown): value is Tree => typeof value === "object" && value !== null && !Array.isArray(value);

/** A node of JSON as a collection. */
export function itemsOf(value: unknown, type?: string, beside?: unknown): Item[] {
  if (value === undefined || value === null) return beside === undefined ? [] : [{ value: undefined, type, beside }];
  if (!Array.isArray(value)) return [{ value, type: type ?? typeOf(value), beside }];
  return value.flatMap((one, place) => itemsOf(one, type, Array.isArray(beside) ? beside[place] : undefined));
}

function typeOf(value: unknown): string | undefined {
  if (typeof value === "string") return "string";
  if (typeof value === "boolean") return "boolean";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "decimal";
  const named = isTree(value) ? value["resourceType"] : undefined;
  return typeof named === "string" ? named : undefined;
}

/** The types an element of several types may have, as its name ends with them. <http://hl7.org/fhir/R4/formats.html#choice> */
const CHOICE =
  /^(Base64Binary|Boolean|Canonical|Code|Date|DateTime|Decimal|Id|Instant|Integer|Markdown|Oid|PositiveInt|String|Time|UnsignedInt|Uri|Url|Uuid|Address|Age|Annotation|Attachment|CodeableConcept|Coding|ContactPoint|Count|Distance|Duration|HumanName|Identifier|Money|Period|Quantity|Range|Ratio|Reference|SampledData|Signature|Timing|Dosage|Expression)$/;

const PRIMITIVE = /^(Base64Binary|Boolean|Canonical|Code|Date|DateTime|Decimal|Id|Instant|Integer|Markdown|Oid|PositiveInt|String|Time|UnsignedInt|Uri|Url|Uuid)$/;

/** The members of that name, also where the name ends with the type of what it holds. */
export function memberOf(item: Item, name: string): Item[] {
  const tree = item.value;
  if (!isTree(tree)) return name === "extension" && isTree(item.beside) ? itemsOf(item.beside["extension"]) : [];
  const beside = tree[`_${name}`];
  if (name in tree || beside !== undefined) return itemsOf(tree[name], undefined, beside);
  for (const [key, value] of Object.entries(tree)) {
    if (!key.startsWith(name)) continue;
    const type = key.slice(name.length);
    if (!CHOICE.test(type)) continue;
    return itemsOf(value, PRIMITIVE.test(type) ? type[0]?.toLowerCase() + type.slice(1) : type, tree[`_${key}`]);
  }
  return [];
}

/** All members, whatever they are called. */
export function childrenOf(item: Item): Item[] {
  const tree = item.value;
  if (!isTree(tree)) return [];
  return Object.entries(tree).flatMap(([key, value]) => (key === "resourceType" || key.startsWith("_") ? [] : itemsOf(value)));
}

/** The one item of a collection; nothing when it is empty. */
export function single(items: readonly Item[]): Item | undefined {
  if (items.length > 1) throw new PathError("one item is expected where there are several");
  return items[0];
}

/** A collection as a condition: empty is not known, one item that is no Boolean is true. */
export function truth(items: readonly Item[]): boolean | undefined {
  const item = single(items);
  return item === undefined ? undefined : item.value !== false;
}

export const boolean = (value: boolean | undefined): Item[] => (value === undefined ? [] : [{ value, type: "boolean" }]);
export const text = (value: string): Item[] => [{ value, type: "string" }];

/** A number without the noise that binary fractions leave in its last digits. */
export function number(value: number, type?: "integer" | "decimal"): Item[] {
  if (!Number.isFinite(value)) return [];
  const clean = Number(value.toPrecision(15));
  return [{ value: clean, type: type ?? (Number.isInteger(clean) ? "integer" : "decimal") }];
}

export interface Quantity {
  value: number;
  unit: string;
}

/** Calendar units and the units of measure that equal them. <https://hl7.org/fhirpath/N1/index.html#time-valued-quantities> */
const TIMES: Readonly<Record<string, string>> = { a: "year", mo: "month", wk: "week", d: "day", h: "hour", min: "minute", s: "second", ms: "millisecond" };

/** A quantity with its unit under one name, if the item is one. */
export function quantityOf(item: Item): Quantity | undefined {
  const tree = item.value;
  if (!isTree(tree) || typeof tree["value"] !== "number" || tree["comparator"] !== undefined) return undefined;
  const unit = String(tree["code"] ?? tree["unit"] ?? "1").replace(/^\{.*\}$/, "1");
  return { value: tree["value"], unit: TIMES[unit] ?? unit.replace(/^(year|month|week|day|hour|minute|second|millisecond)s$/, "$1") };
}

const TEMPORAL = /^(?:\d{4}(?:-\d\d(?:-\d\d(?:T.*)?)?)?|\d\d:\d\d(?::\d\d(?:\.\d+)?)?)$/;

/** Whether text is a date or a time in FHIR's notation. */
export function isTemporal(item: Item): item is Item & { value: string } {
  if (typeof item.value !== "string") return false;
  return ["date", "dateTime", "time", "instant"].includes(item.type ?? "") || (item.type === "string" && TEMPORAL.test(item.value) && item.value.length > 4);
}
