// Fails when what a browser loads before the first screen is larger than a slow line bears.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

/** Bytes after gzip. */
const MOST = 300_000;

const dist = new URL("dist/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", dist), "utf8"));
const files = new Set(["index.html"]);

/** Adds a chunk, its styles and all it cannot start without. */
function add(name) {
  const chunk = manifest[name];
  if (files.has(chunk.file)) return;
  files.add(chunk.file);
  for (const style of chunk.css ?? []) files.add(style);
  for (const other of chunk.imports ?? []) add(other);
}

add("index.html");
// A language is loaded on demand, but one of them always is.
for (const language of ["src/strings/zh-CN.ts", "src/strings/en.ts"]) if (manifest[language]) add(language);

const sizes = [...files].map((file) => [file, gzipSync(readFileSync(new URL(file, dist))).length]);
const total = sizes.reduce((sum, [, size]) => sum + size, 0);
for (const [file, size] of sizes) console.log(`${String(size).padStart(8)} ${file}`);
console.log(`${String(total).padStart(8)} bytes gzipped before the first screen, ${MOST} are allowed`);
if (total > MOST) process.exit(1);
