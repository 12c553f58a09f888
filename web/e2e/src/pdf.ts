import { createRequire } from "node:module";
import { join, sep } from "node:path";
import { getDocument } from "pdfjs-dist/legacy/build/pdf.mjs";

/** Glyph tables that come with the reader. */
const beside = join(createRequire(import.meta.url).resolve("pdfjs-dist/package.json"), "..");

/** The text of each page of a PDF, in reading order, its lines joined. */
export async function textOf(pdf: Uint8Array): Promise<string[]> {
  const reading = getDocument({ data: new Uint8Array(pdf), cMapUrl: join(beside, "cmaps") + sep, cMapPacked: true, verbosity: 0 });
  const document = await reading.promise;
  const pages: string[] = [];
  for (let number = 1; number <= document.numPages; number++) {
    const page = await document.getPage(number);
    const { items } = await page.getTextContent();
    pages.push(items.map((item) => ("str" in item ? item.str + (item.hasEOL ? "\n" : "") : "")).join(""));
  }
  await reading.destroy();
  return pages;
}
