import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const root = new URL("../../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");

type Package = {
  name?: string;
  license?: string;
  link?: boolean;
  resolved?: string;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
};
const { packages } = JSON.parse(read("package-lock.json")) as { packages: Record<string, Package> };

/** Licences that ask for no more than to be named. */
const PERMISSIVE = new Set(["MIT", "Apache-2.0", "ISC", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "BlueOak-1.0.0", "Unlicense", "CC0-1.0"]);

/** Packages under another licence that only build: nothing of theirs is served, linked or handed on. */
const ONLY_BUILDS = /^node_modules\/lightningcss(-|$)/;

test("every package that is installed has a permissive licence", () => {
  const installed = Object.entries(packages).filter(([path, entry]) => path.startsWith("node_modules/") && !entry.link);
  expect(installed.length).toBeGreaterThan(50);
  for (const [path, { license }] of installed) {
    if (!ONLY_BUILDS.test(path)) expect([...PERMISSIVE], `${path}: ${license}`).toContain(license);
  }
});

test("the lock file names no address to download from", () => {
  for (const [path, entry] of Object.entries(packages)) {
    if (!entry.link) expect(entry.resolved, path).toBeUndefined();
  }
});

test("every package that was chosen has its reason written down, and no other has", () => {
  const own = Object.entries(packages).filter(([path]) => !path.startsWith("node_modules/"));
  const chosen = own
    .flatMap(([, entry]) => Object.keys({ ...entry.dependencies, ...entry.devDependencies }))
    .filter((name) => !name.startsWith("@qingshan/"));
  const explained = [...read("docs/decisions/web_dependencies.md").matchAll(/^\| ([@\w/-]+) \|/gm)].map((row) => row[1]);
  expect(explained.filter((name) => name !== "package" && name !== "---").sort()).toEqual([...new Set(chosen)].sort());
});
