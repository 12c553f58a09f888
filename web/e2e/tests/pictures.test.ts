import type { BrowserContextOptions } from "playwright-core";
import { describe, test } from "vitest";
import { be, keep, play, wear } from "../src/stage";

const { window } = play();

const sizes: Record<string, BrowserContextOptions> = {
  desktop: { viewport: { width: 1366, height: 768 } },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
};

for (const [size, options] of Object.entries(sizes)) {
  for (const [locale, colorScheme] of [
    ["zh-CN", "light"],
    ["en", "dark"],
    ["en", "light"],
    ["zh-CN", "dark"],
  ] as const) {
    describe(`${size}, ${locale}, ${colorScheme}`, () => {
      test("every screen fits and is complete", async () => {
        const page = await window(undefined, { ...options, locale, colorScheme });
        const context = page.context();
        const name = (screen: string) => `${screen}-${size}-${locale}-${colorScheme}`;
        await page.goto("/");
        await page.locator("form.sign-in").waitFor();
        await keep(page, name("1-sign-in"));
        await be(page, "wu");
        await page.locator(".choose-post").waitFor();
        await keep(page, name("1-post"));
        await wear(page, "示范县医院");
        await keep(page, name("2-finder"));
        await page.locator("#finder").fill("单");
        await page.locator(".person").first().waitFor();
        await keep(page, name("2-found"));
        await page.locator("#finder").fill("zzzz");
        await page.locator(".nothing").waitFor();
        await keep(page, name("3-nobody"));
        await page.goto("/patients/shan");
        await page.locator(".entry").first().waitFor();
        await page.locator(".live-live").waitFor();
        await keep(page, name("4-patient"));
        await page.locator(".day").nth(3).scrollIntoViewIfNeeded();
        await keep(page, name("5-timeline"));
        await page.evaluate(() => scrollTo(0, 0));
        await page.locator(".record").click();
        await page.locator(".vital input.ant-input").first().fill("231");
        await page.locator(".vital input.ant-input").nth(1).fill("90");
        await page.locator(".vital button[type=submit]").click();
        await page.locator(".note-warning").waitFor();
        await keep(page, name("6-vital"));
        await page.keyboard.press("Escape");
        await page.locator(".vital").waitFor({ state: "detached" });
        await context.setOffline(true);
        await page.locator(".stale").waitFor();
        await keep(page, name("7-offline"));
        await context.setOffline(false);
        await page.goto("/patients/new");
        await page.locator("form.register").waitFor();
        await page.locator("form.register button[type=submit]").click();
        await page.locator(".note-error").first().waitFor();
        await keep(page, name("8-register"));
        await page.goto("/patients/shan?view=tables");
        await page.locator(".table-card").first().waitFor();
        await keep(page, name("9-tables"));
        await page.goto("/patients/shan");
        await page.locator(".entry-title").nth(2).click();
        await page.locator(".details .readable").waitFor();
        await keep(page, name("10-details"));
        await page.goto("/settings");
        await page.locator(".lines li").first().waitFor();
        await keep(page, name("11-settings"));
        await page.locator(".top").getByRole("button").last().click();
        await page.locator("[data-login]").first().waitFor();

        await be(page, "gao");
        await page.goto("/patients/ouyang");
        await page.locator(".closed").waitFor();
        await keep(page, name("12-closed"));
        await page.locator(".glass button").click();
        await page.locator(".dialog").waitFor();
        await keep(page, name("13-glass"));
        await page.keyboard.press("Escape");
        await page.locator(".top").getByRole("button").last().click();
        await page.locator("[data-login]").first().waitFor();

        await be(page, "qian");
        await page.locator(".branch a").first().click();
        await page.locator(".add-post").waitFor();
        await keep(page, name("14-consortium"));
        await page.locator(".top").getByRole("button").last().click();
        await page.locator("[data-login]").first().waitFor();

        await be(page, "he");
        await page.locator(".nothing, .waiting").first().waitFor();
        await keep(page, name("15-emergencies"));
        await page.locator(".top").getByRole("button").last().click();
        await page.locator("[data-login]").first().waitFor();

        await be(page, "shan");
        await page.locator(".mine-record").waitFor();
        await keep(page, name("16-mine"));
        await page.goto("/patients/shan?view=looked");
        await page.locator(".look").first().waitFor();
        await keep(page, name("17-looked"));
        await page.goto("/mine/shan/consents");
        await page.locator(".consent-form option").nth(1).waitFor({ state: "attached" });
        await keep(page, name("18-consents"));
        await page.goto("/settings");
        await page.locator("fieldset").last().locator("label").last().click();
        await page.goto("/mine");
        await page.locator(".mine-record").waitFor();
        await keep(page, name("19-elder"));
      });
    });
  }
}
