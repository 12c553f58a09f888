import { join } from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { be, pictures, raise, type Login, type Stage } from "../src/stage";

const line = new URL("../lines/triage", import.meta.url).pathname;
const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
let stage: Stage;
const contexts: BrowserContext[] = [];

beforeAll(async () => {
  stage = await raise([["protocol", "install", line]]);
});
afterEach(async () => {
  await Promise.all(contexts.splice(0).map((context) => context.close()));
});
afterAll(() => stage?.close());

async function window(login: Login, options: Parameters<Stage["open"]>[0] = {}): Promise<Page> {
  const { page, context } = await stage.open(options);
  contexts.push(context);
  page.on("pageerror", (cause) => {
    throw cause;
  });
  await be(page, login);
  return page;
}

/** Says that somebody comes, as far as the hospital is told. */
async function announce(page: Page, complaint: string, words: string): Promise<void> {
  await page.goto("/mine/announce");
  await page.getByRole("button", { name: complaint }).tap();
  await page.locator(".choice label", { hasText: "示范县医院" }).tap();
  await page.getByLabel("还想告诉医院什么（可不填）").fill(words);
  await page.getByRole("button", { name: "告诉医院我要来" }).tap();
  await page.locator(".announced-own", { hasText: "已告诉示范县医院急诊" }).waitFor();
}

test("whoever should not come by themselves is told to call 120 before anything is asked", async () => {
  const page = await window("shan", phone);
  await page.getByRole("link", { name: "要自己去医院急诊？先告诉医院" }).tap();
  await page.locator("a[href='tel:120']").first().waitFor();
  await page.screenshot({ path: join(pictures, "announce-first.png") });
  await page.getByRole("button", { name: "胸痛、胸闷、大汗" }).tap();
  const advice = page.locator(".announce-call");
  await advice.getByText("不要自己去，请马上拨打120").waitFor();
  expect(await advice.locator("a[href='tel:120']").count()).toBe(1);
  // The way to an ambulance does not lead through a form.
  expect(await page.getByRole("button", { name: "告诉医院我要来", exact: true }).count()).toBe(0);
  await page.screenshot({ path: join(pictures, "announce-call.png"), fullPage: true });
  await advice.getByRole("button", { name: /^已拨打120/ }).tap();
  await page.getByRole("button", { name: "告诉医院我要来", exact: true }).tap();
  await page.getByText("请选一家医院").waitFor();
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(wide).toBe(0);
});

test("whoever has announced themselves is seen at the desk as such, and a person joins them with who stands there", async () => {
  const desk = await window("lin");
  await desk.goto("/triage");
  await desk.locator(".live-live").waitFor();
  const resident = await window("shan", phone);
  await announce(resident, "肚子痛、呕吐、拉肚子", "昨晚开始，右下腹痛");
  await resident.screenshot({ path: join(pictures, "announced.png"), fullPage: true });
  const waiting = desk.locator(".triage-announced li", { hasText: "单小雨" });
  await waiting.waitFor();
  expect(await waiting.innerText()).toContain("昨晚开始，右下腹痛");
  await desk.screenshot({ path: join(pictures, "triage-announced.png") });
  // Nobody waits to be graded who has not come.
  expect(await desk.locator(".triage-queue ol li").count()).toBe(0);
  await waiting.getByRole("button", { name: "人已到" }).click();
  await desk.locator(".triage-arrival", { hasText: "单小雨" }).waitFor();
  await desk.locator(".triage-arrival .triage-said", { hasText: "昨晚开始，右下腹痛" }).waitFor();
  await desk.getByRole("button", { name: "自行来院", exact: true }).click();
  await desk.locator(".triage-grading").waitFor();
  // Whoever grades them reads what they said, and need not ask twice.
  await desk.locator(".triage-desk .triage-said", { hasText: "昨晚开始，右下腹痛" }).waitFor();
  await desk.locator(".triage-queue ol li", { hasText: "单小雨" }).waitFor();
  await waiting.waitFor({ state: "detached" });
  await resident.locator(".announced-own").waitFor({ state: "detached" });
});

test("who does not come after all takes it back, and whoever never came is taken off by the desk", async () => {
  const resident = await window("shan", phone);
  await announce(resident, "发热", "");
  const desk = await window("lin");
  await desk.goto("/triage");
  const waiting = desk.locator(".triage-announced li", { hasText: "发热" });
  await waiting.waitFor();
  await resident.getByRole("button", { name: "不去了" }).tap();
  await waiting.waitFor({ state: "detached" });
  await announce(resident, "其他不舒服", "");
  const other = desk.locator(".triage-announced li", { hasText: "其他不舒服" });
  await other.getByRole("button", { name: "没有来" }).click();
  await other.waitFor({ state: "detached" });
});
