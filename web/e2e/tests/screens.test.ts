import type { BrowserContextOptions, Page } from "playwright-core";
import { expect, test } from "vitest";
import { keep, play, raise } from "../src/stage";

const lines = ["rush", "triage"].map((name) => new URL(`../lines/${name}`, import.meta.url).pathname);
const { window } = play(() => raise([["protocol", "install", ...lines]]));

const sizes = {
  wall: { viewport: { width: 1920, height: 1080 } },
  desk: { viewport: { width: 1366, height: 768 } },
  phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
  tablet: { viewport: { width: 1280, height: 800 }, hasTouch: true },
} satisfies Record<string, BrowserContextOptions>;

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
  const look = async (login: string, size: keyof typeof sizes) => {
    const page = await window(login, { ...sizes[size], locale, colorScheme });
    return { page, name: (screen: string) => `${screen}-${size}-${locale}-${colorScheme}` };
  };

  test(`the tablet, the board, the case and the desk fit and are complete, ${locale}, ${colorScheme}`, async () => {
    const tablet = await look("lu", "tablet");
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
    await tablet.page.context().close();

    for (const size of ["wall", "desk", "phone"] as const) {
      const board = await look("lin", size);
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
      await board.page.context().close();
    }
  });
}
