import type { Page } from "playwright-core";

/**
 * What stands in somebody's way on a page, in sentences; nothing when it can be read and used by everybody, as far as a
 * program can tell: whatever can be pressed or filled in has a name, text stands out from its ground, a finger hits what it
 * is meant to, and the page fits. <https://www.w3.org/TR/WCAG22/>
 */
export function flaws(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    /** The least contrast of text, and of text that is large. <https://www.w3.org/TR/WCAG22/#contrast-minimum> */
    const [LEAST, LEAST_LARGE] = [4.5, 3];
    /** The least side of what is pressed, in pixels. <https://www.w3.org/TR/WCAG22/#target-size-minimum> */
    const TARGET = 24;
    const found: string[] = [];
    const isVisible = (element: Element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && element.getClientRects().length > 0;
    const short = (element: Element) => `<${element.tagName.toLowerCase()} class="${element.getAttribute("class") ?? ""}"> ${(element.textContent ?? "").trim().slice(0, 40)}`;

    // Names.
    const spoken = (element: Element): string => {
      if (element.getAttribute("aria-hidden") === "true") return "";
      const label = element.getAttribute("aria-label") ?? element.getAttribute("alt");
      if (label !== null) return label;
      return [...element.childNodes].map((node) => (node.nodeType === Node.TEXT_NODE ? (node.textContent ?? "") : node instanceof Element ? spoken(node) : "")).join(" ");
    };
    const nameOf = (element: Element): string => {
      const by = (element.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "");
      const labels = "labels" in element ? [...((element as HTMLInputElement).labels ?? [])].map(spoken) : [];
      return [element.getAttribute("aria-label") ?? "", ...by, ...labels, element.matches("input, select, textarea") ? "" : spoken(element), element.getAttribute("title") ?? ""].join("").trim();
    };
    for (const element of document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [role=button], [role=img], dialog[open]")) {
      if (isVisible(element) && element.closest("[aria-hidden=true]") === null && nameOf(element) === "") found.push(`has no name: ${short(element)} ${element.id}`);
    }
    for (const group of document.querySelectorAll("fieldset")) {
      if (isVisible(group) && nameOf(group) === "" && (group.querySelector("legend")?.textContent ?? "").trim() === "") found.push(`a group has no name: ${short(group)}`);
    }
    for (const picture of document.querySelectorAll("img:not([alt]), svg:not([aria-hidden]):not([role]):not([aria-label])")) {
      if (isVisible(picture) && picture.closest("[aria-hidden=true], [role=img]") === null) found.push(`a picture says nothing and is not hidden: ${short(picture.parentElement ?? picture)}`);
    }
    const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
    for (const id of new Set(ids.filter((id, place) => ids.indexOf(id) !== place))) found.push(`the id ${id} stands twice`);
    if (![...document.querySelectorAll("main h1, .ambulance h1, .board h1")].some(isVisible)) found.push("there is no heading");
    for (const element of document.querySelectorAll("[tabindex]")) if (Number(element.getAttribute("tabindex")) > 0) found.push(`leaps ahead of others: ${short(element)}`);

    // Contrast.
    type Colour = [number, number, number, number];
    const parse = (text: string): Colour | undefined => {
      const numbers = /^rgba?\(([^)]+)\)$/.exec(text)?.[1]?.split(/[ ,/]+/).map(Number);
      if (numbers === undefined || numbers.length < 3) return undefined;
      return [numbers[0] ?? 0, numbers[1] ?? 0, numbers[2] ?? 0, numbers[3] ?? 1];
    };
    const over = (top: Colour, ground: Colour): Colour => {
      const mix = (place: 0 | 1 | 2) => top[place] * top[3] + ground[place] * (1 - top[3]);
      return [mix(0), mix(1), mix(2), 1];
    };
    const light = ([red, green, blue]: Colour) => {
      const [r = 0, g = 0, b = 0] = [red, green, blue].map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ratio = (colour: Colour, ground: Colour) => {
      const [one, other] = [light(over(colour, ground)), light(ground)];
      return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    };
    /** The ground beneath an element; nothing where it is drawn and not of one colour. */
    const groundOf = (element: Element): Colour | undefined => {
      const layers: Colour[] = [];
      for (let one: Element | null = element; one !== null; one = one.parentElement) {
        const style = getComputedStyle(one);
        if (style.backgroundImage !== "none") return undefined;
        const colour = parse(style.backgroundColor);
        if (colour !== undefined && colour[3] > 0) layers.push(colour);
        if (colour?.[3] === 1) break;
      }
      return layers.reduceRight<Colour>((ground, layer) => over(layer, ground), [255, 255, 255, 1]);
    };
    const seen = new Set<string>();
    for (const element of document.body.querySelectorAll("*")) {
      const hasText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && (node.textContent ?? "").trim() !== "");
      if (!hasText || !isVisible(element) || element.closest("svg, :disabled, [aria-disabled=true], .read-out, option") !== null) continue;
      const style = getComputedStyle(element);
      const [colour, ground] = [parse(style.color), groundOf(element)];
      if (colour === undefined || ground === undefined) continue;
      const contrast = ratio(colour, ground);
      const size = Number.parseFloat(style.fontSize);
      const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      const what = `stands out by ${contrast.toFixed(2)} only: ${short(element)}`;
      if (contrast < (isLarge ? LEAST_LARGE : LEAST) && !seen.has(what)) found.push(what);
      seen.add(what);
    }

    for (const field of document.querySelectorAll<HTMLInputElement>("input[placeholder], textarea[placeholder]")) {
      const [colour, ground] = [parse(getComputedStyle(field, "::placeholder").color), groundOf(field)];
      if (!isVisible(field) || field.disabled || field.placeholder === "" || colour === undefined || ground === undefined) continue;
      const contrast = ratio(colour, ground);
      if (contrast < LEAST) found.push(`what a field takes stands out by ${contrast.toFixed(2)} only: ${field.placeholder}`);
    }

    // Size, width and words.
    for (const element of document.querySelectorAll("button, select, input:not([type=hidden]), summary, [role=button]")) {
      // What lies within a label, or within the frame of a list to choose from, is hit by that.
      if (!isVisible(element) || element.closest("label, .read-out, .ant-select") !== null) continue;
      const { width, height } = element.getBoundingClientRect();
      if (Math.min(width, height) < TARGET && !element.matches(".inline-button")) found.push(`is ${Math.round(width)} by ${Math.round(height)} pixels: ${short(element)}`);
    }
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    if (wide > 0) found.push(`is ${wide} pixels wider than the screen`);
    const [broken] = /\{\w+\}|\bundefined\b|\bNaN\b|\[object \w+\]/.exec(document.body.innerText) ?? [];
    if (broken !== undefined) found.push(`says ${broken}`);
    return found;
  });
}
