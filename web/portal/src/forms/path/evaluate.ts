import { equal, equivalent, order } from "./compare";
import { functions } from "./functions";
import { boolean, isTemporal, itemsOf, memberOf, number, quantityOf, single, text, truth, type Item } from "./item";
import { parse, PathError, type Node } from "./parse";
import { shift } from "./time";

/** What an expression is evaluated with. */
export interface Environment {
  /** What `%name` stands for. A name that is not there is an error, one that is there and empty is not. */
  variables: ReadonlyMap<string, readonly Item[]>;
  /** The moment, in milliseconds since 1970. */
  now: number;
}

/** Where an evaluation stands. */
export interface Scope {
  environment: Environment;
  /** What names start from. */
  focus: readonly Item[];
  /** `$this`, `$index` and `$total` of the function around. */
  self?: Item | undefined;
  index?: number;
  total?: readonly Item[];
}

/**
 * Evaluates an expression.
 *
 * @param focus what its names start from, as JSON
 * @throws PathError when it cannot be read, asks for a variable nobody gave, or meets several items where one is due
 */
export function evaluate(expression: string, focus: unknown, environment: Environment): Item[] {
  return run(parse(expression), { environment, focus: itemsOf(focus) });
}

/** Evaluates a part of an expression. */
export function run(node: Node, scope: Scope): Item[] {
  switch (node.kind) {
    case "literal":
      return [{ value: node.value, type: node.type }];
    case "empty":
      return [];
    case "variable": {
      const found = scope.environment.variables.get(node.name);
      if (found === undefined) throw new PathError(`nobody says what %${node.name} is`);
      return [...found];
    }
    case "this":
      return scope.self === undefined ? [...scope.focus] : [scope.self];
    case "index":
      return scope.index === undefined ? [] : number(scope.index, "integer");
    case "total":
      return [...(scope.total ?? [])];
    case "member": {
      const from = node.of === undefined ? scope.focus : run(node.of, scope);
      // The name of a type at the beginning of a path is the resource itself.
      if (node.of === undefined && from.some(({ type }) => type === node.name)) return from.filter(({ type }) => type === node.name);
      return from.flatMap((item) => memberOf(item, node.name));
    }
    case "call": {
      const from = node.of === undefined ? scope.focus : run(node.of, scope);
      const call = functions[node.name];
      if (call === undefined) throw new PathError(`there is no function ${node.name}()`);
      return call(from, node.args, scope);
    }
    case "at": {
      const place = single(run(node.index, scope))?.value;
      const found = typeof place === "number" ? run(node.of, scope)[place] : undefined;
      return found === undefined ? [] : [found];
    }
    case "sign": {
      const item = single(run(node.of, scope));
      if (item === undefined) return [];
      const quantity = quantityOf(item);
      const sign = node.isMinus ? -1 : 1;
      if (quantity !== undefined) return [{ value: { ...quantity, value: sign * quantity.value }, type: "Quantity" }];
      if (typeof item.value !== "number") throw new PathError("only a number has a sign");
      return number(sign * item.value);
    }
    case "type":
      return typed(node.operator, single(run(node.of, scope)), node.name);
    case "both":
      return both(node.operator, node.left, node.right, scope);
  }
}

function typed(operator: "is" | "as", item: Item | undefined, name: string): Item[] {
  if (item === undefined) return [];
  const isIt = isOf(item, name);
  return operator === "is" ? boolean(isIt) : isIt ? [item] : [];
}

/** Whether an item is of a type, written as FHIR or as FHIRPath writes it. */
export function isOf(item: Item, name: string): boolean {
  const type = item.type ?? "";
  const wanted = name[0]?.toLowerCase() + name.slice(1);
  if (type === name || type === wanted) return true;
  if (type === "string") return ["code", "id", "markdown", "uri"].includes(wanted);
  // JSON writes whole decimals as integers.
  return type === "integer" && (wanted === "decimal" || wanted === "positiveInt" || wanted === "unsignedInt");
}

function both(operator: string, left: Node, right: Node, scope: Scope): Item[] {
  if (operator === "and" || operator === "or" || operator === "xor" || operator === "implies") {
    return boolean(logic(operator, truth(run(left, scope)), () => truth(run(right, scope))));
  }
  const [one, other] = [run(left, scope), run(right, scope)];
  switch (operator) {
    case "|":
      return distinct([...one, ...other]);
    case "in":
      return one.length === 0 ? [] : boolean(has(other, single(one)));
    case "contains":
      return other.length === 0 ? [] : boolean(has(one, single(other)));
    case "=":
      return boolean(same(one, other));
    case "!=": {
      const isSame = same(one, other);
      return boolean(isSame === undefined ? undefined : !isSame);
    }
    case "~":
      return boolean(alike(one, other));
    case "!~":
      return boolean(!alike(one, other));
    case "&":
      return text([one, other].map((side) => single(side)?.value ?? "").join(""));
    default: {
      const [first, second] = [single(one), single(other)];
      if (first === undefined || second === undefined) return [];
      return "<><=>=".includes(operator) ? ordered(operator, first, second) : reckon(operator, first, second);
    }
  }
}

function logic(operator: "and" | "or" | "xor" | "implies", one: boolean | undefined, of: () => boolean | undefined): boolean | undefined {
  if (operator === "implies") return logic("or", one === undefined ? undefined : !one, of);
  if (operator === "and" && one === false) return false;
  if (operator === "or" && one === true) return true;
  const other = of();
  if (operator === "xor") return one === undefined || other === undefined ? undefined : one !== other;
  const decides = operator === "or";
  if (other === decides) return decides;
  return one === undefined || other === undefined ? undefined : !decides;
}

function has(items: readonly Item[], item: Item | undefined): boolean {
  return item !== undefined && items.some((one) => equal(one, item) === true);
}

function same(one: readonly Item[], other: readonly Item[]): boolean | undefined {
  if (one.length === 0 || other.length === 0) return undefined;
  if (one.length !== other.length) return false;
  const found = one.map((item, place) => equal(item, other[place] as Item));
  return found.includes(false) ? false : found.includes(undefined) ? undefined : true;
}

function alike(one: readonly Item[], other: readonly Item[]): boolean {
  const left = [...other];
  return (
    one.length === other.length &&
    one.every((item) => {
      const place = left.findIndex((candidate) => equivalent(item, candidate));
      return place >= 0 && left.splice(place, 1).length === 1;
    })
  );
}

function ordered(operator: string, one: Item, other: Item): Item[] {
  const found = order(one, other);
  if (found === undefined) return [];
  return boolean(operator === "<" ? found < 0 : operator === ">" ? found > 0 : operator === "<=" ? found <= 0 : found >= 0);
}

function reckon(operator: string, one: Item, other: Item): Item[] {
  const [first, second] = [one.value, other.value];
  if (typeof first === "number" && typeof second === "number") return number(...sum(operator, first, second));
  const [left, right] = [quantityOf(one), quantityOf(other)];
  if (isTemporal(one) && right !== undefined && (operator === "+" || operator === "-")) {
    return shift(one, right, operator === "+" ? 1 : -1);
  }
  if (operator === "+" && typeof first === "string" && typeof second === "string") return text(first + second);
  if (left !== undefined && right !== undefined && left.unit === right.unit) {
    const [value] = sum(operator, left.value, right.value);
    if (operator === "/") return number(value);
    if (operator === "+" || operator === "-") return [{ value: { ...(one.value as object), value: number(value)[0]?.value }, type: "Quantity" }];
  }
  throw new PathError(`${operator} has no meaning between these`);
}

function sum(operator: string, one: number, other: number): [number, ("integer" | "decimal")?] {
  switch (operator) {
    case "+":
      return [one + other];
    case "-":
      return [one - other];
    case "*":
      return [one * other];
    case "/":
      return [other === 0 ? Number.NaN : one / other, "decimal"];
    case "div":
      return [other === 0 ? Number.NaN : Math.trunc(number(one / other)[0]?.value as number), "integer"];
    default:
      return [other === 0 ? Number.NaN : one % other];
  }
}

/** The items without those that equal an earlier one. */
export function distinct(items: readonly Item[]): Item[] {
  const kept: Item[] = [];
  for (const item of items) if (!has(kept, item)) kept.push(item);
  return kept;
}
