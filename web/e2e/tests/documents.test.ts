import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { textOf } from "../src/pdf";
import { down, refer, up } from "../src/sent";
import { pictures, play, raise, wear } from "../src/stage";

const line = new URL("../../../lines/referral", import.meta.url).pathname;
const { window } = play(() => raise([["protocol", "install", line]]));

/** Prints what the page shows, as its own style says, and leaves the file among the pictures. */
async function print(page: Page, name: string): Promise<string[]> {
  await page.locator(".sheet").waitFor();
  const pdf = await page.pdf({ preferCSSPageSize: true, printBackground: false });
  await writeFile(join(pictures, `${name}.pdf`), pdf);
  return textOf(pdf);
}

/** Without spaces, and radicals, which fonts share with the characters they are, as those characters. */
const bare = (text: string) => text.normalize("NFKC").replace(/\u2eda/g, "页").replace(/\u2ed4/g, "门").replace(/\s/g, "");

test("a referral slip is printed in Chinese with who, where, why and how urgent, and a number on each page", async () => {
  const page = await window("wu");
  await wear(page, "示范镇卫生院");
  const id = await refer(page, "up", "town", "county", up, "urgent");
  await page.goto(`/runs/${id}`);
  await page.getByRole("link", { name: /双向转诊单（转出）/ }).click();
  const pages = await print(page, "slip-up");
  const all = bare(pages.join(""));
  for (const said of ["示范镇卫生院", "双向转诊单（转出）", "示范县医院", "单小雨", "999999195804120026", "13900000001", "女", "加急", "活动后胸闷一周，心电图ST段压低", "休息数分钟缓解", "36.5℃", "168mmHg", "打印人：吴敏", id]) {
    expect(all, said).toContain(bare(said));
  }
  pages.forEach((one, place) => expect(bare(one)).toContain(`第${place + 1}页/共${pages.length}页`));
  // Nothing of the screen around it is on paper, and nothing of a long text is lost.
  expect(all).not.toContain("返回流程");
  expect(all.split("无放射痛").length - 1).toBe(6);
  await page.screenshot({ path: join(pictures, "document.png"), fullPage: true });
});

test("a slip back down lists each medicine, and a reader of English has English headings", async () => {
  const page = await window("wu");
  await wear(page, "示范县医院");
  const id = await refer(page, "down", "county", "town", down);
  await page.goto(`/runs/${id}/documents/slip-down`);
  const all = bare((await print(page, "slip-down")).join(""));
  for (const said of ["双向转诊单（下转/回转）", "阿司匹林肠溶片", "100 mg，每日一次", "替格瑞洛片", "90 mg，每日两次", "心血管介入术后或心功能稳定", "胸痛超过15分钟不缓解", "立即拨打120", "2027-01-05"]) {
    expect(all, said).toContain(bare(said));
  }
  await page.getByRole("button", { name: "切换为英文" }).click();
  await page.getByRole("heading", { name: "Referral back down" }).waitFor();
  const english = (await print(page, "slip-down-en")).join(" ");
  expect(english).toContain("Page 1 of");
  expect(english).toContain("Medicines");
});

test("the plan of a referral down is read on the page of its run and in the record, in both languages and on a phone", async () => {
  const page = await window("wu");
  await wear(page, "示范县医院");
  const id = await refer(page, "down", "county", "town", down);
  const picture = (name: string) => page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
  await page.goto(`/runs/${id}`);
  const plan = page.locator(".plan");
  const medicines = plan.locator(".plan-parts > div", { has: page.locator("dt", { hasText: "用药" }) });
  await medicines.getByText("替格瑞洛片").waitFor();
  expect(await medicines.locator("li").count()).toBe(2);
  await medicines.getByText("今后由家庭医生开方").first().waitFor();
  await plan.getByText("示范镇卫生院").first().waitFor();
  await plan.getByText("立即拨打120").waitFor();
  await plan.getByText("待接收").waitFor();
  await picture("plan");
  await page.setViewportSize({ width: 390, height: 844 });
  await picture("plan-phone");
  await page.setViewportSize({ width: 1366, height: 768 });
  await page.goto("/patients/shan");
  await page.locator(".entry-CarePlan button").first().click();
  await page.locator(".details .plan").getByText("替格瑞洛片").waitFor();
  await picture("plan-record");
  await page.goto(`/runs/${id}`);
  await page.getByRole("button", { name: "切换为英文" }).click();
  await plan.getByText("Red flags").waitFor();
  await plan.getByText("not taken on yet").waitFor();
  await picture("plan-en");
  await page.getByRole("button", { name: "Switch to Chinese" }).click();
});

test("the patient has the slip on their own phone, and nobody finds a document that is not there", async () => {
  const doctor = await window("wu");
  await wear(doctor, "示范镇卫生院");
  const id = await refer(doctor, "up", "town", "county", up);
  const phone = await window("shan", { viewport: { width: 390, height: 844 } });
  await phone.goto(`/runs/${id}/documents/slip-up`);
  await phone.locator(".sheet", { hasText: "单小雨" }).waitFor();
  expect(await phone.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  await phone.screenshot({ path: join(pictures, "document-phone.png"), fullPage: true });
  await phone.goto(`/runs/${id}/documents/reply`);
  await phone.getByRole("alert").waitFor();
});
