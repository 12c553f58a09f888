/** An expression as it was read. <https://hl7.org/fhirpath/N1/grammar.html> */
export type Node =
  | { kind: "literal"; value: unknown; type: string }
  | { kind: "empty" }
  | { kind: "variable"; name: string }
  | { kind: "this" | "index" | "total" }
  | { kind: "member"; of: Node | undefined; name: string }
  | { kind: "call"; of: Node | undefined; name: string; args: Node[] }
  | { kind: "at"; of: Node; index: Node }
  | { kind: "sign"; isMinus: boolean; of: Node }
  | { kind: "both"; operator: string; left: Node; right: Node }
  | { kind: "type"; operator: "is" | "as"; of: Node; name: string };

/** An expression that cannot be read or evaluated. Its message is for people who write forms. */
export class PathError extends Error {
  override name = "PathError";
}

type Token = { kind: "name" | "quoted" | "number" | "text" | "time" | "variable" | "sign" | "end"; text: string };

const TOKEN = new RegExp(
  [
    String.raw`(?<space>\s+|//[^\n]*|/\*[\s\S]*?\*/)`,
    String.raw`(?<time>@T[\d:.]+|@\d{4}(?:-\d\d(?:-\d\d)?)?(?:T(?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?)?(?:Z|[+-]\d\d:\d\d)?)?)`,
    String.raw`(?<number>\d+(?:\.\d+)?)`,
    String.raw`(?<text>'(?:\\.|[^'\\])*')`,
    "(?<quoted>`(?:\\\\.|[^`\\\\])*`)",
    "(?<variable>%(?:[A-Za-z_][\\w-]*|`[^`]*`|'[^']*')|\\$(?:this|index|total))",
    String.raw`(?<name>[A-Za-z_]\w*)`,
    String.raw`(?<sign><=|>=|!=|!~|[-+*/&|=~<>.,()[\]{}])`,
  ].join("|"),
  "gy",
);

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", f: "\f" };

function plain(quoted: string): string {
  return quoted
    .slice(1, -1)
    .replace(/\\(?:u([\dA-Fa-f]{4})|(.))/g, (_, code: string | undefined, one: string) =>
      code === undefined ? (ESCAPES[one] ?? one) : String.fromCharCode(Number.parseInt(code, 16)),
    );
}

function tokens(text: string): Token[] {
  const found: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const place = TOKEN.lastIndex;
    const groups = TOKEN.exec(text)?.groups;
    if (groups === undefined) throw new PathError(`there is no reading at ${place} of: ${text}`);
    const [kind, piece] = Object.entries(groups).find(([, piece]) => piece !== undefined) ?? ["space", ""];
    if (kind !== "space") found.push({ kind: kind as Token["kind"], text: piece ?? "" });
  }
  return [...found, { kind: "end", text: "" }];
}

/** The operators between two operands, from those that bind least to those that bind most. */
const LEVELS: readonly (readonly string[])[] = [
  ["implies"],
  ["or", "xor"],
  ["and"],
  ["in", "contains"],
  ["=", "~", "!=", "!~"],
  ["<", ">", "<=", ">="],
  ["|"],
  ["is", "as"],
  ["+", "-", "&"],
  ["*", "/", "div", "mod"],
];

const CALENDAR = /^(year|month|week|day|hour|minute|second|millisecond)s?$/;
const DEEPEST = 100;

class Reader {
  private place = 0;
  private depth = 0;
  private readonly tokens: Token[];

  constructor(private readonly text: string) {
    this.tokens = tokens(text);
  }

  whole(): Node {
    const node = this.level(0);
    if (this.next.kind !== "end") this.fail();
    return node;
  }

  private get next(): Token {
    return this.tokens[this.place] ?? { kind: "end", text: "" };
  }

  private fail(): never {
    throw new PathError(`“${this.next.text}” is not expected in: ${this.text}`);
  }

  private takes(sign: string): boolean {
    const { kind, text } = this.next;
    const isIt = text === sign && (kind === "sign" || kind === "name");
    if (isIt) this.place += 1;
    return isIt;
  }

  private must(sign: string): void {
    if (!this.takes(sign)) this.fail();
  }

  private level(at: number): Node {
    const operators = LEVELS[at];
    if (operators === undefined) return this.signed();
    // However an expression was made, reading it must not exhaust the stack.
    if ((this.depth += 1) > DEEPEST * LEVELS.length) throw new PathError("the expression is too deep");
    let left = this.level(at + 1);
    for (;;) {
      const operator = operators.find((operator) => this.takes(operator));
      if (operator === undefined) break;
      if (operator === "is" || operator === "as") left = { kind: "type", operator, of: left, name: this.typeName() };
      else left = { kind: "both", operator, left, right: this.level(at + 1) };
    }
    this.depth -= 1;
    return left;
  }

  private typeName(): string {
    let name = this.name();
    while (this.takes(".")) name = this.name();
    return name;
  }

  private name(): string {
    const { kind, text } = this.next;
    if (kind !== "name" && kind !== "quoted") this.fail();
    this.place += 1;
    return kind === "quoted" ? plain(text) : text;
  }

  private signed(): Node {
    if (this.takes("-")) return { kind: "sign", isMinus: true, of: this.signed() };
    if (this.takes("+")) return { kind: "sign", isMinus: false, of: this.signed() };
    let node = this.term();
    for (;;) {
      if (this.takes(".")) node = this.invoked(node);
      else if (this.takes("[")) {
        node = { kind: "at", of: node, index: this.level(0) };
        this.must("]");
      } else return node;
    }
  }

  private term(): Node {
    const { kind, text } = this.next;
    if (kind === "number") {
      this.place += 1;
      return this.quantity(Number(text), text.includes(".") ? "decimal" : "integer");
    }
    if (kind === "text" || kind === "time") {
      this.place += 1;
      if (kind === "text") return { kind: "literal", value: plain(text), type: "string" };
      const type = text.startsWith("@T") ? "time" : text.includes("T") ? "dateTime" : "date";
      return { kind: "literal", value: text.replace(/^@T?/, "").replace(/T$/, ""), type };
    }
    if (kind === "variable") {
      this.place += 1;
      if (text.startsWith("$")) return { kind: text.slice(1) as "this" | "index" | "total" };
      return { kind: "variable", name: /^%[`']/.test(text) ? text.slice(2, -1) : text.slice(1) };
    }
    if (this.takes("{")) {
      this.must("}");
      return { kind: "empty" };
    }
    if (this.takes("(")) {
      const inner = this.level(0);
      this.must(")");
      return inner;
    }
    if (text === "true" || text === "false") {
      this.place += 1;
      return { kind: "literal", value: text === "true", type: "boolean" };
    }
    return this.invoked(undefined);
  }

  private quantity(value: number, type: string): Node {
    const { kind, text } = this.next;
    const calendar = kind === "name" ? CALENDAR.exec(text)?.[1] : undefined;
    if (kind !== "text" && calendar === undefined) return { kind: "literal", value, type };
    this.place += 1;
    const unit = calendar ?? plain(text);
    const coded = calendar === undefined ? { system: "http://unitsofmeasure.org", code: unit } : {};
    return { kind: "literal", value: { value, unit, ...coded }, type: "Quantity" };
  }

  private invoked(of: Node | undefined): Node {
    const { kind, text } = this.next;
    if (kind === "variable" && text.startsWith("$")) return this.term();
    const name = this.name();
    if (!this.takes("(")) return { kind: "member", of, name };
    const args: Node[] = [];
    if (!this.takes(")")) {
      do args.push(this.level(0));
      while (this.takes(","));
      this.must(")");
    }
    return { kind: "call", of, name, args };
  }
}

const read = new Map<string, Node>();

/**
 * Reads an expression.
 *
 * @throws PathError when it is none
 */
export function parse(text: string): Node {
  let node = read.get(text);
  if (node === undefined) read.set(text, (node = new Reader(text).whole()));
  return node;
}

/** The nodes of an expression, itself first. */
export function* nodesOf(node: Node): Generator<Node> {
  yield node;
  const parts = [
    ...("of" in node && node.of !== undefined ? [node.of] : []),
    ...("args" in node ? node.args : []),
    ...(node.kind === "at" ? [node.index] : []),
    ...(node.kind === "both" ? [node.left, node.right] : []),
  ];
  for (const part of parts) yield* nodesOf(part);
}

/** The variables an expression asks for, such as `patient` of `%patient.birthDate`. */
export function variablesOf(text: string): string[] {
  return [...nodesOf(parse(text))].flatMap((node) => (node.kind === "variable" ? [node.name] : []));
}

/** Whether something is there is asked without needing its value. */
const ONLY_PRESENCE = new Set(["exists", "empty", "hasValue", "count"]);

/** Functions that leave out of their result what is missing, without a trace. */
const GATHERS = new Set(["sum", "avg", "min", "max", "aggregate", "join"]);

/** What an expression computes with: `linkId`s of questions, and names that stand for further expressions. */
export interface Operands {
  questions: Set<string>;
  variables: Set<string>;
}

/**
 * What an expression computes with. Questions it only asks about, as in `where(linkId='a').exists()`, are none of it.
 *
 * `needed` are those without which it would give a result that is wrong and does not look it: what is added up, and what
 * decides between two results.
 */
export function operandsOf(text: string): { all: Operands; needed: Operands } {
  const none = (): Operands => ({ questions: new Set(), variables: new Set() });
  const found = { all: none(), needed: none() };
  const visit = (node: Node, isNeeded: boolean): void => {
    const add = (kind: keyof Operands, name: string) => {
      found.all[kind].add(name);
      if (isNeeded) found.needed[kind].add(name);
    };
    if (node.kind === "call" && ONLY_PRESENCE.has(node.name) && node.args.length === 0 && isPath(node.of)) return;
    if (node.kind === "variable") add("variables", node.name);
    if (node.kind === "both" && (node.operator === "=" || node.operator === "in") && isLink(node.left)) {
      for (const part of nodesOf(node.right)) {
        if (part.kind === "literal" && typeof part.value === "string") add("questions", part.value);
      }
      return;
    }
    const gathers = node.kind === "call" && GATHERS.has(node.name);
    if ("of" in node && node.of !== undefined) visit(node.of, isNeeded || gathers);
    if ("args" in node) node.args.forEach((one, place) => visit(one, isNeeded || (node.kind === "call" && node.name === "iif" && place === 0)));
    if (node.kind === "at") visit(node.index, isNeeded);
    if (node.kind === "both") for (const side of [node.left, node.right]) visit(side, isNeeded);
  };
  visit(parse(text), false);
  return found;
}

function isPath(node: Node | undefined): boolean {
  return node !== undefined && ["member", "call", "at", "variable"].includes(node.kind);
}

function isLink(node: Node): boolean {
  return node.kind === "member" && node.name === "linkId";
}
