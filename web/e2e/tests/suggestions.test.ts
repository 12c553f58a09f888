import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { refer, up } from "../src/sent";
import { ask, pictures, play, raise, wear } from "../src/stage";

const line = new URL("../../../lines/referral", import.meta.url).pathname;
const { window } = play(() => raise([["protocol", "install", line]]));

const coding = (system: string, code: string) => ({ coding: [{ system, code }] });
const subject = { reference: "Patient/shan" };

/** A diabetic, once for all. */
async function diabetes(page: Page): Promise<void> {
  await ask(page, "POST", "/fhir/Condition", {
    resourceType: "Condition",
    subject,
    clinicalStatus: coding("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
    code: coding("http://hl7.org/fhir/sid/icd-10", "E11.9"),
  });
}

/** A glucose of just now. */
async function glucose(page: Page, value: number): Promise<void> {
  await ask(page, "POST", "/fhir/Observation", {
    resourceType: "Observation",
    status: "final",
    subject,
    code: { ...coding("http://loinc.org", "15074-8"), text: "随机血糖" },
    effectiveDateTime: new Date(Date.now() - 1_000).toISOString(),
    valueQuantity: { value, unit: "mmol/L", system: "http://unitsofmeasure.org", code: "mmol/L" },
  });
}

test("what the record suggests is followed in one press, with how urgent it is and why filled in", async () => {
  const page = await window("wu");
  await wear(page, "示范县医院");
  await page.goto("/patients/shan");
  await page.locator(".timeline, .views").first().waitFor();
  expect(await page.locator(".suggestions").count()).toBe(0);
  await diabetes(page);
  await glucose(page, 17.2);
  // It comes by itself: the page follows the record.
  const panel = page.locator(".suggestions");
  await panel.getByText("血糖 17.2 mmol/L").waitFor();
  await panel.locator(".is-grave .suggestion-sign").waitFor();
  expect(await panel.locator(".suggestion-class").first().innerText()).toBe("急诊（绿色通道）");
  await page.screenshot({ path: join(pictures, "suggestions.png") });
  await panel.getByRole("link", { name: "按此上转" }).first().click();
  const reason = page.getByRole("textbox", { name: "转诊原因" });
  await reason.waitFor();
  expect(await reason.inputValue()).toContain("血糖≥16.7");
  expect(await reason.inputValue()).toContain("17.2");
  await page.getByText("已按此填写").waitFor();
  expect(await page.locator(".start-run").getByLabel("急诊（绿色通道）", { exact: true }).isChecked()).toBe(true);
  await page.screenshot({ path: join(pictures, "suggestions-start.png") });
});

test("a suggestion that is not followed keeps its reason and does not come again until there is something new", async () => {
  const page = await window("wu", { viewport: { width: 390, height: 844 } });
  await wear(page, "示范县医院");
  await page.goto("/patients/shan");
  await glucose(page, 18.1);
  const panel = page.locator(".suggestions");
  await panel.getByText("血糖 18.1 mmol/L").waitFor();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  await page.screenshot({ path: join(pictures, "suggestions-phone.png") });
  await panel.getByRole("button", { name: "不采纳" }).first().click();
  const send = page.getByRole("dialog").getByRole("button", { name: "不采纳" });
  await send.click();
  await page.getByRole("dialog").getByText("请填写").waitFor();
  await page.getByLabel("不采纳的理由").fill("餐后即测，复测 11.0");
  await send.click();
  await panel.getByText("已不采纳 1 条").click();
  await panel.getByText("餐后即测，复测 11.0").waitFor();
  await page.reload();
  await panel.getByText("已不采纳 1 条").waitFor();
  expect(await panel.locator(".is-grave").count()).toBe(0);
  await glucose(page, 19.4);
  await panel.getByText("血糖 19.4 mmol/L").waitFor();
});

test("figures are told by month and member with the runs behind each number, and as a file", async () => {
  const page = await window("wu");
  await wear(page, "示范镇卫生院");
  const id = await refer(page, "up", "town", "county", up);
  await page.goto("/protocols/referral?view=figures");
  await page.getByRole("button", { name: "按月、分组" }).click();
  await page.locator(".figure-table").waitFor();
  const town = page.locator(".figure-table tr", { hasText: "示范镇卫生院" });
  const cell = town.locator("button:not(:disabled)").first();
  expect(await cell.innerText()).toBe("1");
  await cell.click();
  const behind = page.locator(".figure-behind-cell").getByRole("link", { name: "单小雨" });
  await behind.waitFor();
  expect(await behind.getAttribute("href")).toBe(`/runs/${id}`);
  await page.screenshot({ path: join(pictures, "figures.png"), fullPage: true });
  const saving = page.waitForEvent("download");
  await page.getByRole("button", { name: "下载表格（CSV）" }).click();
  const csv = await readFile((await (await saving).path()) ?? "", "utf8");
  expect(csv).toContain("上转人次");
  expect(csv).toContain("示范镇卫生院,1,1,1,1");
  await page.getByRole("combobox", { name: /^指标/ }).selectOption({ label: "基层诊疗量占比" });
  await page.screenshot({ path: join(pictures, "figures-share.png"), fullPage: true });
});
