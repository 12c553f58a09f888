import { equal, order } from "./compare";
import { distinct, isOf, run, type Scope } from "./evaluate";
import { boolean, childrenOf, isTree, itemsOf, memberOf, number, quantityOf, single, text, truth, type Item } from "./item";
import { PathError, type Node } from "./parse";
import { instant, today } from "./time";

type Call = (from: readonly Item[], args: readonly Node[], scope: Scope) => Item[];

/** How many times `repeat` goes deeper, and how many items it may find. */
const MOST_FOUND = 10_000;

const arg = (args: readonly Node[], place: number): Node => {
  const node = args[place];
  if (node === undefined) throw new PathError("an argument is missing");
  return node;
};

/** Evaluates an argument for each item, as `$this`. */
function each<T>(from: readonly Item[], node: Node, scope: Scope, use: (found: Item[], item: Item) => T): T[] {
  return from.map((item, index) => use(run(node, { ...scope, focus: [item], self: item, index }), item));
}

/** An argument that is evaluated once, where the call stands. */
const once = (args: readonly Node[], place: number, scope: Scope): Item | undefined => single(run(arg(args, place), scope));

const string = (item: Item | undefined): string | undefined => (typeof item?.value === "string" ? item.value : undefined);

/** A function of one string; an empty collection gives an empty one. */
const ofText =
  (use: (value: string, args: (string | number | undefined)[]) => Item[]): Call =>
  (from, args, scope) => {
    const value = string(single(from));
    if (value === undefined) return [];
    const given = args.map((_, place) => once(args, place, scope)?.value);
    if (given.includes(undefined)) return [];
    return use(value, given as (string | number)[]);
  };

const ofNumber =
  (use: (value: number, digits: number) => number): Call =>
  (from, args, scope) => {
    const item = single(from);
    if (item === undefined) return [];
    const digits = args.length === 0 ? 0 : once(args, 0, scope)?.value;
    const quantity = quantityOf(item);
    if (typeof digits !== "number") return [];
    if (quantity !== undefined) return [{ ...item, value: { ...(item.value as object), value: use(quantity.value, digits) } }];
    return typeof item.value === "number" ? number(use(item.value, digits)) : [];
  };

/** Half goes up, as it is taught, also where the binary fraction lies a hair below it. */
function rounded(value: number, digits: number): number {
  const scaled = Number(`${Math.abs(value)}e${digits}`);
  return Math.sign(value) * Number(`${Math.round(Number(scaled.toPrecision(15)))}e-${digits}`);
}

/** Adds all numbers up; quantities of one unit keep it. Nothing when there is nothing. */
function total(from: readonly Item[]): Item[] {
  const quantities = from.map(quantityOf);
  if (from.length > 0 && quantities.every((one) => one !== undefined && one.unit === quantities[0]?.unit)) {
    const sum = quantities.reduce((sum, one) => sum + (one?.value ?? 0), 0);
    return [{ ...(from[0] as Item), value: { ...(from[0]?.value as object), value: number(sum)[0]?.value } }];
  }
  if (from.some(({ value }) => typeof value !== "number")) {
    if (from.length > 0) throw new PathError("only numbers are added up");
    return [];
  }
  return from.length === 0 ? [] : number(from.reduce((sum, { value }) => sum + (value as number), 0));
}

const extreme =
  (sign: 1 | -1): Call =>
  (from) =>
    from.length === 0 ? [] : [from.reduce((best, item) => ((order(item, best) ?? 0) * sign > 0 ? item : best))];

const ORDINALS = ["http://hl7.org/fhir/StructureDefinition/ordinalValue", "http://hl7.org/fhir/StructureDefinition/itemWeight"];

/** The score of an answer: what its coding carries. */
const ordinal: Call = (from) =>
  from.flatMap((item) => {
    const own = ORDINALS.flatMap((url) => extensions([item], url)).flatMap((one) => memberOf(one, "value"));
    const coded = own.length > 0 ? own : memberOf(item, "value").flatMap((value) => ordinal([value], [], EMPTY));
    return coded.slice(0, 1);
  });

const EMPTY: Scope = { environment: { variables: new Map(), now: 0 }, focus: [] };

function extensions(from: readonly Item[], url: unknown): Item[] {
  return from.flatMap((item) => memberOf(item, "extension")).filter(({ value }) => isTree(value) && value["url"] === url);
}

const matching: Call = (from, args, scope) =>
  each(from, arg(args, 0), scope, (found, item) => (truth(found) === true ? [item] : [])).flat();

const converted =
  (convert: (value: unknown) => Item[]): Call =>
  (from) => {
    const item = single(from);
    return item === undefined ? [] : convert(item.value);
  };

const shown = (value: unknown): Item[] => {
  if (isTree(value)) return typeof value["value"] === "number" ? text(`${value["value"]} ${String(value["unit"] ?? value["code"] ?? "")}`.trim()) : [];
  return text(String(value));
};
const numeric = (value: unknown): Item[] => {
  if (typeof value === "boolean") return number(Number(value));
  if (typeof value === "number") return number(value);
  return typeof value === "string" && /^[+-]?\d+(\.\d+)?$/.test(value) ? number(Number(value)) : [];
};
const whole = (value: unknown): Item[] => numeric(value).filter(({ value }) => Number.isInteger(value));

/** The functions that forms use. <https://hl7.org/fhirpath/N1/index.html#functions> */
export const functions: Readonly<Record<string, Call | undefined>> = {
  exists: (from, args, scope) => boolean(args.length === 0 ? from.length > 0 : matching(from, args, scope).length > 0),
  empty: (from) => boolean(from.length === 0),
  not: (from) => {
    const value = truth(from);
    return boolean(value === undefined ? undefined : !value);
  },
  all: (from, args, scope) => boolean(each(from, arg(args, 0), scope, truth).every((found) => found === true)),
  allTrue: (from) => boolean(from.every(({ value }) => value === true)),
  anyTrue: (from) => boolean(from.some(({ value }) => value === true)),
  allFalse: (from) => boolean(from.every(({ value }) => value === false)),
  anyFalse: (from) => boolean(from.some(({ value }) => value === false)),
  hasValue: (from) => boolean(from.length === 1 && from[0]?.value !== undefined && !isTree(from[0].value)),
  count: (from) => number(from.length, "integer"),
  distinct: (from) => distinct(from),
  isDistinct: (from) => boolean(distinct(from).length === from.length),
  subsetOf: (from, args, scope) => {
    const other = run(arg(args, 0), scope);
    return boolean(from.every((item) => other.some((one) => equal(one, item) === true)));
  },
  supersetOf: (from, args, scope) => boolean(run(arg(args, 0), scope).every((item) => from.some((one) => equal(one, item) === true))),

  where: matching,
  select: (from, args, scope) => each(from, arg(args, 0), scope, (found) => found).flat(),
  repeat: (from, args, scope) => {
    const found: Item[] = [];
    let next = [...from];
    while (next.length > 0) {
      next = each(next, arg(args, 0), scope, (items) => items).flat();
      found.push(...next);
      if (found.length > MOST_FOUND) throw new PathError("repeat() finds too much");
    }
    return found;
  },
  ofType: (from, args) => {
    const node = arg(args, 0);
    if (node.kind !== "member") throw new PathError("ofType() takes the name of a type");
    return from.filter((item) => isOf(item, node.name));
  },
  as: (from, args, scope) => functions["ofType"]?.(from, args, scope) ?? [],
  is: (from, args) => {
    const [node, item] = [arg(args, 0), single(from)];
    return item === undefined || node.kind !== "member" ? [] : boolean(isOf(item, node.name));
  },
  aggregate: (from, args, scope) => {
    let total: readonly Item[] = args.length > 1 ? run(arg(args, 1), scope) : [];
    from.forEach((item, index) => (total = run(arg(args, 0), { ...scope, focus: [item], self: item, index, total })));
    return [...total];
  },
  iif: (from, args, scope) => {
    const inner = { ...scope, focus: from };
    if (truth(run(arg(args, 0), inner)) === true) return run(arg(args, 1), inner);
    return args.length > 2 ? run(arg(args, 2), inner) : [];
  },
  trace: (from) => [...from],

  first: (from) => from.slice(0, 1),
  last: (from) => from.slice(-1),
  tail: (from) => from.slice(1),
  single: (from) => {
    const item = single(from);
    return item === undefined ? [] : [item];
  },
  skip: (from, args, scope) => from.slice(Number(once(args, 0, scope)?.value ?? 0)),
  take: (from, args, scope) => from.slice(0, Number(once(args, 0, scope)?.value ?? 0)),
  union: (from, args, scope) => distinct([...from, ...run(arg(args, 0), scope)]),
  combine: (from, args, scope) => [...from, ...run(arg(args, 0), scope)],
  intersect: (from, args, scope) => {
    const other = run(arg(args, 0), scope);
    return distinct(from.filter((item) => other.some((one) => equal(one, item) === true)));
  },
  exclude: (from, args, scope) => {
    const other = run(arg(args, 0), scope);
    return from.filter((item) => !other.some((one) => equal(one, item) === true));
  },
  coalesce: (_, args, scope) => args.map((node) => run(node, scope)).find((found) => found.length > 0) ?? [],

  children: (from) => from.flatMap(childrenOf),
  descendants: (from) => {
    const found: Item[] = [];
    for (let next = from.flatMap(childrenOf); next.length > 0; next = next.flatMap(childrenOf)) found.push(...next);
    return found;
  },
  extension: (from, args, scope) => extensions(from, once(args, 0, scope)?.value),
  ordinal,
  weight: ordinal,
  getValue: (from) => [...from],

  sum: total,
  avg: (from) => {
    const [sum] = total(from);
    return typeof sum?.value === "number" ? number(sum.value / from.length, "decimal") : [];
  },
  min: extreme(-1),
  max: extreme(1),
  abs: ofNumber(Math.abs),
  ceiling: ofNumber(Math.ceil),
  floor: ofNumber(Math.floor),
  truncate: ofNumber(Math.trunc),
  round: ofNumber(rounded),
  sqrt: ofNumber((value) => (value < 0 ? Number.NaN : Math.sqrt(value))),
  ln: ofNumber(Math.log),
  exp: ofNumber(Math.exp),
  power: (from, args, scope) => {
    const [base, exponent] = [single(from)?.value, once(args, 0, scope)?.value];
    return typeof base === "number" && typeof exponent === "number" ? number(base ** exponent) : [];
  },

  length: ofText((value) => number([...value].length, "integer")),
  upper: ofText((value) => text(value.toUpperCase())),
  lower: ofText((value) => text(value.toLowerCase())),
  trim: ofText((value) => text(value.trim())),
  startsWith: ofText((value, [part]) => boolean(value.startsWith(String(part)))),
  endsWith: ofText((value, [part]) => boolean(value.endsWith(String(part)))),
  contains: ofText((value, [part]) => boolean(value.includes(String(part)))),
  indexOf: ofText((value, [part]) => number(value.indexOf(String(part)), "integer")),
  matches: ofText((value, [shape]) => boolean(new RegExp(String(shape), "su").test(value))),
  matchesFull: ofText((value, [shape]) => boolean(new RegExp(`^(?:${String(shape)})$`, "su").test(value))),
  replace: ofText((value, [part, other]) => text(value.replaceAll(String(part), String(other)))),
  replaceMatches: ofText((value, [shape, other]) => text(value.replace(new RegExp(String(shape), "gsu"), String(other)))),
  substring: ofText((value, [start = 0, length]) => {
    const from = Number(start);
    if (from < 0 || from >= value.length) return [];
    return text(value.slice(from, length === undefined ? undefined : from + Number(length)));
  }),
  split: ofText((value, [sign]) => itemsOf(value.split(String(sign)))),
  toChars: ofText((value) => itemsOf([...value])),
  join: (from, args, scope) => {
    if (from.length === 0) return [];
    return text(from.map(({ value }) => String(value)).join(args.length === 0 ? "" : (string(once(args, 0, scope)) ?? "")));
  },

  toString: converted(shown),
  toInteger: converted(whole),
  toDecimal: converted(numeric),
  toBoolean: converted((value) => {
    const word = String(value).toLowerCase();
    if (["true", "t", "yes", "y", "1", "1.0"].includes(word)) return boolean(true);
    return ["false", "f", "no", "n", "0", "0.0"].includes(word) ? boolean(false) : [];
  }),
  toQuantity: converted((value) => (typeof value === "number" ? [{ value: { value, unit: "1" }, type: "Quantity" }] : isTree(value) ? itemsOf(value, "Quantity") : [])),
  toDate: converted((value) => (/^\d{4}(-\d\d(-\d\d)?)?/.test(String(value)) ? [{ value: String(value).slice(0, 10), type: "date" }] : [])),
  toDateTime: converted((value) => (/^\d{4}/.test(String(value)) ? [{ value: String(value), type: "dateTime" }] : [])),
  convertsToInteger: (from) => boolean(from.length === 1 && whole(from[0]?.value).length === 1),
  convertsToDecimal: (from) => boolean(from.length === 1 && numeric(from[0]?.value).length === 1),

  today: (_, __, { environment }) => [{ value: today(environment.now), type: "date" }],
  now: (_, __, { environment }) => [{ value: instant(environment.now), type: "dateTime" }],
  timeOfDay: (_, __, { environment }) => [{ value: instant(environment.now).slice(11, 19), type: "time" }],
};
