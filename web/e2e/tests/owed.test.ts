import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { flaws } from "../src/flaws";
import { ask, keep, pictures, play } from "../src/stage";

const { window } = play();

/** Opens an account of somebody who is treated first, and gives the run that follows it. */
async function opened(page: Page, name: string): Promise<string> {
  const patient = await ask(page, "POST", "/fhir/Patient", { resourceType: "Patient", name: [{ use: "official", text: name, family: name.slice(0, 1), given: [name.slice(1)] }], gender: "male" });
  const account = await ask(page, "POST", "/fhir/Account", {
    resourceType: "Account",
    status: "active",
    type: { coding: [{ system: "https://qingshan.dev/fhir/CodeSystem/account", code: "pay-later" }] },
    name: "先诊疗后付费",
    subject: [{ reference: `Patient/${String(patient["id"])}` }],
    owner: { reference: "Organization/county" },
    servicePeriod: { start: new Date().toISOString() },
  });
  for (;;) {
    const found = (await ask(page, "GET", `/fhir/Task?focus=Account/${String(account["id"])}&_tag=https://qingshan.dev/fhir/CodeSystem/run|root`)) as { entry?: { resource: { id: string } }[] };
    const id = found.entry?.[0]?.resource.id;
    if (id !== undefined) return id;
  }
}

test("what was treated first is owed in one list, with what was billed, and one touch leads to settling it", async () => {
  const desk = await window("ma");
  await desk.locator(".menu a", { hasText: "费用账龄" }).click();
  await desk.getByText("没有未结清的绿色通道费用").waitFor();
  const first = await opened(desk, "范欠费");
  await opened(desk, "彭在治");
  // It stands there by itself, without anybody asking anew.
  await desk.locator(".owed-rows li", { hasText: "范欠费" }).waitFor();
  await desk.locator(".owed-ages li.is-accruing", { hasText: "2 人次" }).waitFor();
  await ask(desk, "POST", `/runs/${first}/acts`, { deed: "complete", step: "stable", n: 1 });
  await desk.locator(".owed-rows li", { hasText: "范欠费" }).getByText("账龄 0 天").waitFor();
  await desk.locator(".owed-rows a", { hasText: "范欠费" }).click();
  await desk.getByRole("link", { name: "出账单并告知" }).first().click();
  await desk.getByLabel("金额（元）").fill("12800.5");
  await desk.getByLabel("已告知（被告知人）").fill("患者之女");
  await desk.getByRole("button", { name: "完成", exact: true }).click();
  await desk.locator(".task-done").waitFor();
  await desk.goto("/owed");
  await desk.locator(".owed-rows li", { hasText: "范欠费" }).getByText("12,800.50").waitFor();
  // What can be settled stands before whoever is still being treated.
  expect(await desk.locator(".owed-rows a strong").allInnerTexts()).toEqual(["范欠费", "彭在治"]);
  await desk.locator(".owed-ages li.is-0", { hasText: "12,800.50 元" }).waitFor();
  await keep(desk, "owed-desk");
  expect(await flaws(desk)).toEqual([]);
  const saved = desk.waitForEvent("download");
  await desk.getByRole("button", { name: /CSV/ }).click();
  expect((await saved).suggestedFilename()).toMatch(/^绿色通道费用账龄-\d{4}-\d\d-\d\d\.csv$/);
  await desk.setViewportSize({ width: 390, height: 844 });
  await desk.screenshot({ path: join(pictures, "owed-phone.png"), fullPage: true });
  expect(await flaws(desk)).toEqual([]);
});
