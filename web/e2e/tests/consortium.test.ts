import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { flaws } from "../src/flaws";
import { ask, keep, play } from "../src/stage";

const show = play();
const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true } as const;

const part = (page: Page, name: string, text: string) => page.locator(`[data-part=${name}] li`, { hasText: text });

/** The stored versions of a resource, the newest first. */
async function versions(page: Page, path: string): Promise<Record<string, unknown>[]> {
  const history = (await ask(page, "GET", `${path}/_history`)) as { entry: { resource: Record<string, unknown> }[] };
  return history.entry.map(({ resource }) => resource);
}

test("whoever runs the platform changes an institution, and is told when somebody else was quicker", async () => {
  const page = await show.window("qian");
  await page.goto("/consortium?at=town");
  const open = page.getByRole("button", { name: "修改机构信息" });
  await open.focus();
  await page.keyboard.press("Enter");
  await page.getByLabel("联系电话").fill("0730-5550142");
  const other = await ask(page, "GET", "/fhir/Organization/town");
  await ask(page, "PUT", "/fhir/Organization/town", { ...other, address: [{ text: "示范镇人民路1号" }] });
  await page.locator(".dialog").getByRole("button", { name: "保存" }).click();
  await page.getByText("本次修改没有保存").waitFor();
  await keep(page, "consortium-conflict");
  // What the other wrote is there by now, and what was typed still is.
  expect(await page.getByLabel("地址").inputValue()).toBe("示范镇人民路1号");
  expect(await page.getByLabel("联系电话").inputValue()).toBe("0730-5550142");
  await page.getByText("二级医院", { exact: true }).last().click();
  await page.keyboard.press("Enter");
  await page.locator(".institution-ways", { hasText: "0730-5550142" }).waitFor();
  const [kept] = await versions(page, "/fhir/Organization/town");
  expect(kept).toMatchObject({ name: "示范镇卫生院", address: [{ text: "示范镇人民路1号" }], telecom: [{ system: "phone", value: "0730-5550142" }] });
  await keep(page, "consortium-institution");
  expect(await flaws(page)).toEqual([]);
});

test("a department is added, renamed, closed and reopened, and nothing of it is deleted", async () => {
  const page = await show.window("qian", { ...phone, locale: "en" });
  await page.goto("/consortium?at=county");
  await page.getByRole("button", { name: "Add a department" }).click();
  await page.getByLabel("Name of the department").fill("神经内科");
  await page.keyboard.press("Enter");
  await part(page, "departments", "神经内科").waitFor();
  await page.getByRole("button", { name: "Rename 神经内科" }).click();
  await page.getByLabel("Name of the department").fill("卒中中心");
  await page.keyboard.press("Enter");
  await part(page, "departments", "卒中中心").waitFor();
  await page.getByRole("button", { name: "Close 卒中中心" }).click();
  await page.locator(".dialog").waitFor();
  await keep(page, "consortium-close-phone");
  expect(await flaws(page)).toEqual([]);
  await page.locator(".dialog").getByRole("button", { name: "Close", exact: true }).click();
  await part(page, "departments", "卒中中心").locator(".tag", { hasText: "Closed" }).waitFor();
  await keep(page, "consortium-departments-phone", { fullPage: true });
  const path = new URL((await part(page, "departments", "卒中中心").locator("a").getAttribute("href")) ?? "", show.stage.origin);
  const id = path.searchParams.get("at") ?? "";
  expect((await versions(page, `/fhir/Organization/${id}`)).map(({ name, active }) => [name, active])).toEqual([
    ["卒中中心", false],
    ["卒中中心", true],
    ["神经内科", true],
  ]);
  const services = (await ask(page, "GET", `/fhir/HealthcareService?organization=Organization/${id}`)) as { entry: { resource: object }[] };
  expect(services.entry.map(({ resource }) => resource)).toMatchObject([{ name: "卒中中心", active: false }]);
  await page.getByRole("button", { name: "Reopen 卒中中心" }).click();
  await page.locator(".dialog").getByRole("button", { name: "Reopen", exact: true }).click();
  await page.getByRole("button", { name: "Close 卒中中心" }).waitFor();
});

test("direct management and an alliance begin with a day and end with one, and are remembered", async () => {
  const page = await show.window("qian");
  await page.goto("/consortium?at=village");
  await page.getByRole("button", { name: "新增关系" }).click();
  // Neither those it belongs to already nor itself can be chosen to manage it.
  const options = await page.locator(".dialog select option").allInnerTexts();
  expect(options.slice(1)).not.toContain("示范镇卫生院");
  expect(options.slice(1)).not.toContain("示范村卫生室");
  expect(options).toContain("示范县医院");
  await page.getByText("加入专科联盟").click();
  await page.locator(".dialog select").selectOption({ label: "卒中联盟" });
  await page.locator(".dialog").getByLabel("开始日期").fill("2026-01-05");
  await page.locator(".dialog").getByLabel("结束日期").fill("2025-12-31");
  await page.getByRole("button", { name: "确认新增" }).click();
  await page.locator(".dialog .note-error").waitFor();
  await keep(page, "consortium-bond");
  await page.locator(".dialog").getByLabel("结束日期").fill("2126-12-31");
  await page.getByRole("button", { name: "确认新增" }).click();
  await part(page, "bonds", "卒中联盟成员").getByText("至 2126-12-31").waitFor();
  await page.locator(".branches summary", { hasText: "卒中联盟" }).click();
  await page.locator(".branches .departments", { hasText: "示范村卫生室" }).waitFor();

  await page.getByRole("button", { name: "结束关系 由示范镇卫生院直管" }).click();
  await page.getByLabel("最后一天").fill("2026-01-31");
  await page.locator(".dialog").getByRole("button", { name: "结束关系" }).click();
  await part(page, "bonds", "由示范镇卫生院直管").getByText("已结束").waitFor();
  await keep(page, "consortium-bonds", { fullPage: true });
  expect(await flaws(page)).toEqual([]);
  const [kept] = await versions(page, "/fhir/OrganizationAffiliation/town.village");
  expect(kept).toMatchObject({ active: true, period: { end: "2026-01-31" } });
  // It stands by itself now.
  expect(await page.locator(".branches .branch .branch a", { hasText: "示范村卫生室" }).count()).toBe(0);
});

test("nobody else is offered to change the consortium, and the record refuses it to them", async () => {
  const page = await show.window("gao", { locale: "en" });
  await page.goto("/consortium?at=county");
  await part(page, "bonds", "Member of").waitFor();
  expect(await page.locator(".chosen button").count()).toBe(0);
  const county = await ask(page, "GET", "/fhir/Organization/county");
  await expect(ask(page, "PUT", "/fhir/Organization/county", { ...county, name: "Mine" })).rejects.toThrow(/403/);
  await keep(page, "consortium-read");
});

test("a post that is ended now shuts out who wears it at once, and one that ends with the day does not", async () => {
  const nurse = await show.window("lin");
  const reads = () => nurse.evaluate(async () => (await fetch("/fhir/Encounter?_count=1")).status);
  expect(await reads()).toBe(200);
  for (const [locale, options, when] of [
    ["en", phone, "End at midnight"],
    ["zh-CN", {}, "立即结束"],
  ] as const) {
    const page = await show.window("qian", { ...options, locale });
    await page.goto("/consortium?at=county");
    const line = page.locator(".lines li", { hasText: "林静" }).filter({ hasNotText: "不在任期内" }).first();
    await line.getByRole("button", { name: /^(End the post|结束任职)/ }).click();
    await page.locator(".dialog").waitFor();
    await keep(page, `staff-end-${locale}`);
    expect(await flaws(page)).toEqual([]);
    await page.locator(".dialog").getByRole("button", { name: when }).click();
    await page.locator(".dialog").waitFor({ state: "detached" });
    if (locale === "en") {
      expect(await reads()).toBe(200);
      continue;
    }
    const over = page.locator(".lines li.is-over", { hasText: "林静" });
    await over.waitFor();
    expect(await over.innerText()).toMatch(/任期至 \d{4}-\d\d-\d\d \d\d:\d\d/);
    await keep(page, "staff-ended");
    expect(await reads()).toBe(403);
  }
});
