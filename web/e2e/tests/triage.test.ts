import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { ask, pictures, play, raise } from "../src/stage";

const line = new URL("../lines/triage", import.meta.url).pathname;
const { window } = play(() => raise([["protocol", "install", line]]));

async function desk(): Promise<Page> {
  const page = await window("lin");
  await page.goto("/triage");
  await page.locator(".live-live").waitFor();
  return page;
}

async function comes(page: Page, typed: string | undefined): Promise<void> {
  await page.getByRole("button", { name: "来了一位病人" }).click();
  if (typed === undefined) {
    await page.getByRole("button", { name: "自行来院（身份不明）" }).click();
  } else {
    await page.getByLabel("患者", { exact: true }).fill(typed);
    await page.locator(".start-found button").first().click();
    await page.getByRole("button", { name: "自行来院", exact: true }).click();
  }
  await page.locator(".triage-grading").waitFor();
}

const fill = (page: Page, label: string, value: string) => page.locator(".triage-grading").getByRole("textbox", { name: new RegExp(`^${label}`) }).fill(value);

test("the level follows from what is measured, says by which rule, and nothing is graded of what is missing", async () => {
  const page = await desk();
  await comes(page, "qiujianan");
  await page.getByText("尚不能定级：未测项目可能更重").waitFor();
  await fill(page, "主诉", "突发右侧肢体无力");
  await fill(page, "心率", "88");
  // One calm value is no level: the others may be worse.
  expect(await page.locator(".triage-result").count()).toBe(0);
  await fill(page, "收缩压", "205");
  await page.locator(".triage-result .is-2").waitFor();
  expect(await page.locator(".triage-verdict ul").innerText()).toContain("收缩压");
  await fill(page, "收缩压", "69");
  await page.locator(".triage-result .is-1").waitFor();
  await page.screenshot({ path: join(pictures, "triage-grading.png") });
  await page.getByRole("button", { name: "按此级别分诊" }).click();
  await page.getByText("已分诊：Ⅰ级 急危").waitFor();
  await page.locator(".triage-queue li", { hasText: "仇建安" }).locator(".triage-level.is-1").waitFor();
});

test("who is adjusted by hand needs a reason, and who waits too long is to be looked at again", async () => {
  const page = await desk();
  await comes(page, undefined);
  await fill(page, "主诉", "腹痛");
  await page.locator(".triage-outcomes label", { hasText: "Ⅲ级 急症" }).click();
  await page.getByText("与客观定级不同，请在表中写明理由").waitFor();
  expect(await page.getByRole("button", { name: "按此级别分诊" }).isDisabled()).toBe(true);
  await fill(page, "与客观定级不同的理由", "面色苍白，先看");
  await page.getByRole("button", { name: "按此级别分诊" }).click();
  await page.getByText("已分诊：Ⅲ级 急症").waitFor();
  const waiting = page.locator(".triage-queue li", { hasText: "身份待核" });
  expect(await waiting.innerText()).toMatch(/剩 \d+ 分钟/);
  const run = /\/runs\/(.+)$/.exec((await page.getByRole("link", { name: "打开病例" }).getAttribute("href")) ?? "")?.[1] ?? "";
  const { name: signature } = await ask(page, "GET", "/auth/session");
  const at = new Date(Date.now() - 40 * 60_000).toISOString();
  await ask(page, "POST", `/runs/${run}/acts`, { deed: "correct", signature, milestone: "triaged", n: 1, at, reason: "补录" });
  await waiting.getByText("需复评").waitFor();
  await waiting.locator(".clock-breach").waitFor();
  // However late somebody of the third level is, whoever is of the first comes before.
  const order = await page.locator(".triage-queue li").allInnerTexts();
  expect(order.findIndex((text) => text.includes("仇建安"))).toBeLessThan(order.findIndex((text) => text.includes("身份待核")));
  await page.getByText("候诊超过本级时限，请重新测量并复评。").waitFor();
  await page.screenshot({ path: join(pictures, "triage-again.png") });
  await page.locator(".open-steps").getByRole("button", { name: "已接诊" }).click();
  await waiting.waitFor({ state: "detached" });
});
