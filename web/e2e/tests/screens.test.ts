import { join } from "node:path";
import type { BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { be, pictures, raise, type Login, type Stage } from "../src/stage";

const lines = ["rush", "triage"].map((name) => new URL(`../lines/${name}`, import.meta.url).pathname);
let stage: Stage;
beforeAll(async () => {
  stage = await raise([["protocol", "install", ...lines]]);
});
afterAll(() => stage?.close());

const sizes = {
  wall: { viewport: { width: 1920, height: 1080 } },
  desk: { viewport: { width: 1366, height: 768 } },
  phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
  tablet: { viewport: { width: 1280, height: 800 }, hasTouch: true },
} satisfies Record<string, BrowserContextOptions>;

/** Leaves a picture, and holds what every screen must keep to. */
async function keep(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(pictures, `${name}.png`), animations: "disabled" });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(wide, `${name} must not be wider than the screen`).toBe(0);
  const text = await page.locator("body").innerText();
  expect(text, `${name} must have every place filled`).not.toMatch(/\{\w+\}|undefined|NaN/);
}

/** Starts a run at the door, by the desk's own button. */
async function arrives(page: Page): Promise<void> {
  await page.goto("/triage");
  await page.locator(".triage-queue header button").click();
  // The second way is for somebody whom nobody knows.
  await page.locator(".triage-ways button").nth(1).click();
  await page.locator(".triage-grading").waitFor();
}

for (const [locale, colorScheme] of [
  ["zh-CN", "light"],
  ["en", "dark"],
] as const) {
  const window = async (login: Login, size: keyof typeof sizes) => {
    const { page, context } = await stage.open({ ...sizes[size], locale, colorScheme });
    page.on("pageerror", (cause) => {
      throw cause;
    });
    await be(page, login);
    return { page, context, name: (screen: string) => `${screen}-${size}-${locale}-${colorScheme}` };
  };

  test(`the tablet, the board, the case and the desk fit and are complete, ${locale}, ${colorScheme}`, async () => {
    const tablet = await window("lu", "tablet");
    await tablet.page.goto("/ambulance");
    await tablet.page.locator(".ambulance-tile").first().waitFor();
    await keep(tablet.page, tablet.name("ambulance-what"));
    await tablet.page.locator(".ambulance-tile").first().click();
    await tablet.page.locator(".ambulance-sexes button").first().click();
    await keep(tablet.page, tablet.name("ambulance-who"));
    const bottom = await tablet.page.locator(".ambulance-go").last().boundingBox();
    expect((bottom?.y ?? 0) + (bottom?.height ?? 0), "the last touch must be in sight").toBeLessThanOrEqual(800);
    await tablet.page.locator(".ambulance-go").first().click();
    await tablet.page.locator(".ambulance-stages .is-reached").nth(1).waitFor();
    await keep(tablet.page, tablet.name("ambulance-drive"));
    await tablet.context.close();

    for (const size of ["wall", "desk", "phone"] as const) {
      const board = await window("lin", size);
      await board.page.goto(size === "wall" ? "/board?wall=1" : "/board");
      await board.page.locator(".board:not(.is-partial) .board-row").first().waitFor();
      await keep(board.page, board.name("board"));
      if (size !== "wall") {
        await board.page.locator(".board-link").first().click();
        await board.page.locator(".at-once-bar").first().waitFor();
        await keep(board.page, board.name("case"));
        await arrives(board.page);
        await keep(board.page, board.name("triage"));
      }
      await board.context.close();
    }
  });
}
