import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { flaws } from "../src/flaws";
import { play, raise, type Login, type View } from "../src/stage";

const lines = ["rush", "triage", "visit"].map((name) => new URL(`../lines/${name}`, import.meta.url).pathname);
const show = play(() => raise([["protocol", "install", ...lines]]));

const cast: readonly [Login, string | undefined][] = [
  ["lin", undefined],
  ["lu", undefined],
  ["wu", "示范县医院"],
  ["ma", undefined],
  ["he", undefined],
  ["qian", undefined],
  ["shan", undefined],
];

const views: readonly [string, View][] = [
  ["on a desk in Chinese", { locale: "zh-CN" }],
  ["on a phone in English at night", { locale: "en", colorScheme: "dark", viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }],
];

/** Everything the menu of whoever is signed in leads to. */
async function placesOf(page: Page): Promise<string[]> {
  const more = page.locator(".menu-more");
  // The tablet lies over the menu; a press that goes to the button itself reaches it beneath.
  if ((await more.count()) > 0) await more.dispatchEvent("click");
  return page.locator(".menu a").evaluateAll((links) => links.map((link) => (link as HTMLAnchorElement).pathname));
}

/** Waits until nothing of a page is still being loaded. */
const loaded = (page: Page) => page.waitForFunction(() => document.querySelector("main h1, .ambulance h1, .board h1") !== null && document.querySelector(".ant-skeleton") === null);

for (const [where, view] of views) {
  test(`whatever the menus lead to can be read and used by everybody, ${where}`, async () => {
    const found: string[] = [];
    for (const [login, at] of cast) {
      const page = await show.window(login, { ...view, ...(at !== undefined && { at }) });
      await page.locator(".menu").waitFor();
      for (const place of await placesOf(page)) {
        await page.goto(place);
        await loaded(page);
        found.push(...(await flaws(page)).map((flaw) => `${login} ${place} ${flaw}`));
      }
      await page.context().close();
    }
    expect(found).toEqual([]);
  });
}

test("what finds no room in the menu opens with its last button, and closes again by the keyboard", async () => {
  const page = await show.window("wu", { at: "示范县医院", locale: "en", viewport: { width: 1366, height: 768 } });
  const heights = await page.locator(".menu > a").evaluateAll((links) => new Set(links.map((link) => link.getBoundingClientRect().top)).size);
  expect(heights).toBe(1);
  const more = page.locator(".menu-more");
  await more.focus();
  await page.keyboard.press("Enter");
  const rest = page.locator(".menu-rest a");
  await rest.first().waitFor();
  await page.keyboard.press("Escape");
  await rest.first().waitFor({ state: "detached" });
  expect(await more.evaluate((button) => button === document.activeElement)).toBe(true);
  await page.keyboard.press("Enter");
  await rest.last().click();
  await page.locator(".menu-more.is-here").waitFor();
  await rest.first().waitFor({ state: "detached" });
});
