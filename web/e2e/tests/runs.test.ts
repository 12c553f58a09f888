import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { play, raise, wear } from "../src/stage";

const line = new URL("../lines/visit", import.meta.url).pathname;
const { window } = play(() => raise([["protocol", "install", line]]));

/** Asks for a consultation by the screens, and gives the page of the run. */
async function ask(page: Page, patient: string, of: string): Promise<string> {
  await page.goto("/protocols/visit?view=start");
  await page.getByLabel("患者", { exact: true }).fill(patient);
  await page.locator(".start-found button").first().click();
  await page.getByText(of, { exact: true }).click();
  await page.getByLabel("会诊方").selectOption({ label: "示范县医院" });
  await page.locator(".start-run button[type=submit]").click();
  await page.locator(".run-head").waitFor();
  return new URL(page.url()).pathname;
}

const row = (page: Page, patient: string) => page.locator(".work-row", { hasText: patient });

test("what one starts appears on another's list by itself, and what they do on the first one's screen", async () => {
  const nurse = await window("lin");
  await nurse.goto("/work");
  await nurse.locator(".live-live").waitFor();
  const doctor = await window("wu");
  await wear(doctor, "示范县医院");
  await ask(doctor, "qiujianan", "急会诊");
  await doctor.locator(".graph-box.is-ready", { hasText: "去会诊" }).waitFor();
  await doctor.locator(".clocks", { hasText: "申请至会诊" }).waitFor();

  await row(nurse, "仇建安").getByText("去会诊").waitFor();
  expect(await row(nurse, "仇建安").innerText()).toMatch(/剩 \d+ 分钟/);
  await row(nurse, "仇建安").getByRole("link").click();
  await nurse.getByRole("button", { name: "已会诊", exact: true }).click();

  await doctor.locator(".graph-box.is-done", { hasText: "去会诊" }).waitFor();
  await doctor.locator(".milestones", { hasText: "已会诊" }).waitFor();
  await doctor.locator(".graph-box.is-ready", { hasText: "看会诊意见" }).waitFor();
});

test("a list is sorted by what falls due first, narrowed by class, and walked through by keyboard alone", async () => {
  const doctor = await window("wu");
  await wear(doctor, "示范县医院");
  await ask(doctor, "oymy", "普通会诊");
  await ask(doctor, "qiujianan", "急会诊");
  const nurse = await window("lin");
  await nurse.goto("/work");
  await row(nurse, "欧阳明远").waitFor();
  const names = (await nurse.locator(".work-who strong").allInnerTexts()).filter((name) => name !== "");
  expect(names.indexOf("仇建安")).toBeLessThan(names.indexOf("欧阳明远"));
  await nurse.getByLabel("分级").selectOption("routine");
  await row(nurse, "仇建安").first().waitFor({ state: "detached" });
  await row(nurse, "欧阳明远").waitFor();
  await nurse.getByRole("heading", { name: "待办" }).click();
  await nurse.keyboard.press("j");
  await nurse.keyboard.press("Enter");
  await nurse.getByRole("heading", { name: "欧阳明远" }).waitFor();
});

test("while somebody points at a list nothing moves under the pointer, and what is new is told", async () => {
  const nurse = await window("lin");
  await nurse.goto("/work");
  await nurse.locator(".live-live").waitFor();
  const first = nurse.locator(".work-row").first();
  await first.hover();
  const before = await nurse.locator(".work-row").allInnerTexts();
  const doctor = await window("wu");
  await wear(doctor, "示范县医院");
  await ask(doctor, "sxy", "急会诊");
  const waiting = nurse.getByText("新到 1 项");
  await waiting.waitFor();
  expect((await nurse.locator(".work-row").allInnerTexts()).length).toBe(before.length);
  // Whoever looks away from the list sees what has come, by itself.
  await nurse.mouse.move(2, 2);
  await nurse.waitForFunction((count) => document.querySelectorAll(".work-row").length === count, before.length + 1);
});

test("a time that was wrong is corrected with a reason, and the old one stays to be seen", async () => {
  const doctor = await window("wu");
  await wear(doctor, "示范县医院");
  await ask(doctor, "qiujianan", "普通会诊");
  await doctor.getByRole("button", { name: "更正时间" }).first().click();
  const save = doctor.getByRole("button", { name: "保存更正" });
  await save.click();
  await doctor.getByText("请填写更正原因").waitFor();
  const at = doctor.getByLabel("实际时间");
  const earlier = (await at.inputValue()).replace(/^\d{4}-\d\d-\d\d/, "2026-01-05");
  await at.fill(earlier);
  await doctor.getByLabel("更正原因").fill("电话申请在先");
  await save.click();
  const sign = doctor.getByLabel("签名");
  expect(await sign.getAttribute("aria-invalid")).toBe("true");
  await sign.fill(await doctor.evaluate(async () => (await (await fetch("/auth/session")).json()).name));
  await save.click();
  await doctor.locator(".milestone-old", { hasText: "电话申请在先" }).waitFor();
  expect(await doctor.locator(".milestone-at").first().innerText()).toBe(earlier);
});

test("a protocol is played through without anybody being told", async () => {
  const page = await window("lin");
  await page.goto("/protocols/visit?view=rehearsal");
  await page.locator(".rehearsal-steps", { hasText: "去会诊" }).waitFor();
  await page.getByRole("button", { name: "到下一个时限" }).click();
  await page.locator(".clock-warn").first().waitFor();
  await page.getByRole("button", { name: "到下一个时限" }).click();
  await page.locator(".clock-breach").first().waitFor();
  await page.getByRole("button", { name: "已会诊", exact: true }).click();
  await page.getByRole("button", { name: "完成", exact: true }).click();
  await page.getByText("流程结束：已完成").waitFor();
  await page.getByRole("button", { name: "撤销上一步" }).click();
  await page.locator(".rehearsal-steps", { hasText: "看会诊意见" }).waitFor();
});

test("a number leads to the runs behind it", async () => {
  const page = await window("lin");
  await page.goto("/protocols/visit?view=figures");
  await page.locator(".figure", { hasText: "会诊及时率" }).waitFor();
  const all = page.getByRole("button", { name: /共 \d+ 例/ });
  await all.first().click();
  await page.locator(".behind a").first().click();
  await page.locator(".run-head").waitFor();
});

test("a patient reads on the phone what is under way, in words meant for them", async () => {
  const doctor = await window("wu");
  await wear(doctor, "示范县医院");
  await doctor.goto("/protocols/visit?view=start&patient=shan");
  await doctor.locator(".start-patient").waitFor();
  await doctor.getByText("普通会诊", { exact: true }).click();
  await doctor.getByLabel("会诊方").selectOption({ label: "示范县医院" });
  await doctor.locator(".start-run button[type=submit]").click();
  await doctor.locator(".run-head").waitFor();
  const phone = await window("shan", { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  await phone.locator(".under-way-now", { hasText: "已为您请了会诊医生。" }).first().waitFor();
  expect(await phone.locator(".under-way").innerText()).not.toContain("已申请会诊");
});
