import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSync } from "vite";
import { expect, test } from "vitest";
import english from "../src/strings/en.json";
import chinese from "../src/strings/zh-CN.json";

const source = new URL("../src", import.meta.url).pathname;
const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((name) => /\.tsx?$/.test(name));
const texts = new Map(files.map((name) => [name, readFileSync(join(source, name), "utf8")]));

type Node = { type: string; start: number; value?: unknown; name?: Node | string } & Record<string, unknown>;

/** Every node of a file's syntax tree, each with the node it stands in. */
function* nodes(tree: unknown, parent?: Node): Generator<{ node: Node; parent: Node | undefined }> {
  if (Array.isArray(tree)) {
    for (const part of tree) yield* nodes(part, parent);
  } else if (typeof tree === "object" && tree !== null && "type" in tree) {
    const node = tree as Node;
    yield { node, parent };
    for (const part of Object.values(node)) yield* nodes(part, node);
  }
}

const placesOf = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();

/** Attributes whose text somebody reads or hears. */
const READ = new Set(["title", "placeholder", "aria-label", "alt", "label", "help", "description", "suffix", "note", "error"]);
const LETTERS = /\p{L}{2}/u;
const HAN = /\p{Script=Han}/u;

/** Texts for people that stand in a file instead of a catalogue. */
function literals(name: string, text: string): string[] {
  const found: string[] = [];
  const { program, errors } = parseSync(name, text);
  expect(errors, name).toEqual([]);
  for (const { node, parent } of nodes(program)) {
    const value = typeof node.value === "string" ? node.value : "";
    if (node.type === "JSXText" && LETTERS.test(value)) found.push(value.trim());
    const isText = node.type === "Literal" || node.type === "TemplateElement";
    const cooked = node.type === "TemplateElement" ? String((node.value as { cooked: string }).cooked) : value;
    if (isText && HAN.test(cooked)) found.push(cooked);
    const attribute = parent?.type === "JSXAttribute" ? (parent.name as Node).name : undefined;
    if (isText && typeof attribute === "string" && READ.has(attribute) && LETTERS.test(cooked)) found.push(cooked);
  }
  return found;
}

test("both catalogues hold the same strings with the same places to fill", () => {
  expect(Object.keys(english)).toEqual(Object.keys(chinese));
  for (const [key, text] of Object.entries(chinese)) {
    expect(text.trim(), key).not.toBe("");
    expect(placesOf(english[key as keyof typeof english]), key).toEqual(placesOf(text));
  }
});

test("the Chinese catalogue is in Chinese and the English one is not", () => {
  const exceptions = new Set(["language.other", "finder.hint"]);
  for (const [key, text] of Object.entries(english)) if (!exceptions.has(key)) expect(HAN.test(text), key).toBe(false);
  for (const [key, text] of Object.entries(chinese)) if (!exceptions.has(key)) expect(HAN.test(text), key).toBe(true);
});

test("Chinese is written with Chinese punctuation", () => {
  for (const [key, text] of Object.entries(chinese)) expect(text, key).not.toMatch(/\p{Script=Han}[,:;?!(]|[,:;?!)]\p{Script=Han}/u);
});

test("no text for people stands in a component", () => {
  expect(files.length).toBeGreaterThan(15);
  // The signs that people type a date with are read, not shown.
  const read = new Set(["calendar.ts", "patients/vitals.ts"]);
  for (const [name, text] of texts) if (!read.has(name)) expect(literals(name, text), name).toEqual([]);
});

test("text in a component would be found", () => {
  const sample = (text: string) => literals("sample.tsx", `export const Sample = () => ${text};`);
  expect(sample("<p>Name</p>")).toEqual(["Name"]);
  expect(sample('<input placeholder="Name" className="field" />')).toEqual(["Name"]);
  expect(sample("<p>{`第${1}页`}</p>")).toEqual(["第", "页"]);
  expect(sample('<p className="what">{t("patient.born")}</p>')).toEqual([]);
});

test("no string is kept that no screen shows", () => {
  const code = [...texts.values()].join("\n");
  // Families that are put together from a code, as in `status.${code}`.
  const families = [...code.matchAll(/[`"]([\w.]+)\.\$\{/g)].map((match) => `${match[1]}.`);
  const named = /export type Family =([^;]+);/.exec(texts.get("language.tsx") ?? "")?.[1] ?? "";
  families.push(...[...named.matchAll(/"([\w.]+)"/g)].map((match) => `${match[1]}.`));
  expect(families).toContain("loinc.");
  for (const key of Object.keys(chinese)) {
    const isShown = code.includes(`"${key}"`) || families.some((family) => key.startsWith(family));
    expect(isShown, key).toBe(true);
  }
});
