import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cited } from "../src/citations";

const root = new URL("../../..", import.meta.url).pathname;

function* files(folder: string): Generator<string> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* files(path);
    else if (path.endsWith(".toml")) yield path;
  }
}

const sourcesIn = (path: string) => [...readFileSync(path, "utf8").matchAll(/\bsource = "([^"]*)"/g)].map(([, source]) => source ?? "");
/** The titles a protocol or a form lists at its head as what it is made from. */
const headsIn = (path: string) => {
  const lists = [...readFileSync(path, "utf8").matchAll(/^sources = \[([^\]]*)\]/gm)];
  return lists.flatMap(([, list]) => [...(list ?? "").matchAll(/"([^"]*)"/g)].map(([, title]) => title ?? ""));
};
const isChinese = (text: string) => /[\u4e00-\u9fff]/.test(text);

test("where a limit, a rule or a score of a line comes from is said in English on English screens", () => {
  const sources = [...files(join(root, "lines"))].flatMap(sourcesIn).filter(isChinese);
  expect(sources.length).toBeGreaterThan(100);
  const untold = [...new Set(sources)].filter((source) => isChinese(cited("en", source)));
  expect(untold).toEqual([]);
  expect(sources.filter((source) => cited("zh-CN", source) !== source)).toEqual([]);
});

test("what a protocol or a form is made from is listed in English on English screens", () => {
  const titles = [...files(join(root, "lines"))].flatMap(headsIn);
  expect(titles.length).toBeGreaterThan(80);
  expect([...new Set(titles)].filter((title) => isChinese(cited("en", title)))).toEqual([]);
});

test("where the rules of routing come from is said in Chinese on Chinese screens", () => {
  const sources = sourcesIn(join(root, "crates/routing/routing.toml"));
  // An article is cited as it is called.
  const untold = sources.filter((source) => !isChinese(cited("zh-CN", source)) && !/\d{4};\d+:/.test(source));
  expect(untold).toEqual([]);
});

test("what nobody has words for stands as it was written", () => {
  expect(cited("en", "本院规定")).toBe("本院规定");
  expect(cited("zh-CN", "Stroke 2003;34:71-76")).toBe("Stroke 2003;34:71-76");
});
