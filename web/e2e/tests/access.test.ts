import type { BrowserContextOptions, Page } from "playwright-core";
import { beforeAll, describe, expect, test } from "vitest";
import english from "../../portal/src/strings/en.json";
import chinese from "../../portal/src/strings/zh-CN.json";
import { be, play } from "../src/stage";

const sizes: Record<string, BrowserContextOptions> = {
  desktop: { viewport: { width: 1366, height: 768 } },
  phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
};

for (const [size, options] of Object.entries(sizes)) {
  for (const [locale, strings] of [
    ["zh-CN", chinese],
    ["en", english],
  ] as const) {
    describe(`${size}, ${locale}`, () => {
      // Each begins before a closed door, so each has a record of its own.
      const show = play();
      let page: Page;
      beforeAll(async () => {
        ({ page } = await show.stage.open({ ...options, locale }));
      });
      const leave = () => page.getByRole("button", { name: strings["signIn.out"] }).click();

      test("a closed record says why, and is opened in an emergency for a while that is shown", async () => {
        await be(page, "gao");
        await page.locator("#finder").fill("sxy");
        await page.locator(".person", { hasText: "1958-04-12" }).click();
        await page.getByRole("heading", { name: strings["closed.title"] }).waitFor();
        expect(await page.locator(".closed").innerText()).toContain(strings["relation.treats"]);
        expect(await page.locator(".entry, .allergies").count()).toBe(0);
        await breakGlass(page, strings);
        expect(await page.locator(".countdown").innerText()).toMatch(/0[0-9]:[0-5][0-9]:[0-5][0-9]/);
        await page.locator(".entry", { hasText: "168/96" }).waitFor();
        await leave();
      });

      test("whoever owns the record sees who opened it, from where and that it was an emergency", async () => {
        await be(page, "shan");
        await page.getByRole("link", { name: strings["mine.looked"] }).click();
        const look = page.locator(".look.is-emergency").first();
        await look.waitFor();
        expect(await look.innerText()).toContain("高原");
        expect(await look.innerText()).toContain("示范市医院");
        await leave();
      });

      test("the privacy officer judges the emergency, and it waits no longer", async () => {
        await be(page, "he");
        const waiting = page.locator(".waiting", { hasText: "单小雨" });
        expect(await waiting.innerText()).toContain("高原");
        await waiting.getByRole("button", { name: strings["emergencies.justified"], exact: true }).click();
        await page.getByText(strings["emergencies.none"]).waitFor();
      });
    });
  }
}

async function breakGlass(page: Page, strings: typeof chinese): Promise<void> {
  await page.getByRole("button", { name: strings["glass.break"], exact: true }).click();
  await page.getByText(strings["glass.reason.unconscious"], { exact: true }).click();
  await page.getByRole("button", { name: strings["glass.submit"] }).click();
}
