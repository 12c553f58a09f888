import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { textOf } from "../src/pdf";
import { be, pictures, raise, wear, type Login, type Stage } from "../src/stage";

const line = new URL("../../../lines/referral", import.meta.url).pathname;
let stage: Stage;
const contexts: { close(): Promise<void> }[] = [];

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

const code = (list: string, code: string) => ({ valueCoding: { system: `https://qingshan.dev/fhir/CodeSystem/${list}`, code } });
const answer = (linkId: string, ...given: object[]) => ({ linkId, answer: given });
const text = (linkId: string, valueString: string) => answer(linkId, { valueString });

const consent = {
  linkId: "consent",
  item: [answer("agreed", { valueBoolean: true }), answer("signer", code("referral-signer", "patient")), answer("sharing", { valueBoolean: true })],
};

const up = [
  answer("kind", code("referral-kind", "outpatient")),
  text("reason", "活动后胸闷一周，心电图ST段压低"),
  text("condition", "患者一周前爬楼时胸闷，休息数分钟缓解，无放射痛。\n已予阿司匹林口服，症状减轻。".repeat(6)),
  { linkId: "vitals", item: [answer("temperature", { valueDecimal: 36.5 }), answer("systolic", { valueInteger: 168 })] },
  answer("isolation", code("referral-isolation", "none")),
  answer("transport", code("referral-transport", "self")),
  answer("payer", code("referral-payer", "resident")),
  consent,
];

const medicine = (name: string, dose: string) => ({
  linkId: "medicine",
  item: [text("medicine-name", name), text("dose", dose), text("prescriber", "家庭医生")],
});

const down = [
  text("diagnosis", "不稳定型心绞痛，冠脉支架术后"),
  text("course", "入院行冠脉造影及支架植入，术后平稳。"),
  text("condition-now", "无胸痛，生命体征平稳"),
  medicine("阿司匹林肠溶片", "100 mg，每日一次"),
  medicine("替格瑞洛片", "90 mg，每日两次"),
  text("red-flags", "胸痛超过15分钟不缓解，立即拨打120"),
  { linkId: "review", item: [answer("review-date", { valueDate: "2027-01-05" }), text("review-place", "示范镇卫生院")] },
  text("contact", "高原医生，心内科门诊"),
  consent,
];

/** Starts a referral as the screens would, and gives its id. */
async function refer(page: Page, way: "up" | "down", from: string, to: string, item: object[], klass = "routine"): Promise<string> {
  const form = way === "up" ? "referral-request" : "referral-down";
  const run = {
    id: crypto.randomUUID(),
    protocol: "referral",
    start: way,
    patient: "Patient/shan",
    class: klass,
    roles: { referrer: `Organization/${from}`, receiver: `Organization/${to}` },
    response: { resourceType: "QuestionnaireResponse", status: "completed", questionnaire: `https://qingshan.dev/fhir/Questionnaire/${form}`, item },
  };
  const told = await page.evaluate(async (run) => {
    const session = (await (await fetch("/auth/session")).json()) as { csrf: string };
    const headers = { "content-type": "application/json", "x-csrf-token": session.csrf, "x-purpose-of-use": "TREAT" };
    const response = await fetch("/runs", { method: "POST", headers, body: JSON.stringify(run) });
    return response.ok ? "" : await response.text();
  }, run);
  expect(told).toBe("");
  return run.id;
}

/** Prints what the page shows, as its own style says, and leaves the file among the pictures. */
async function print(page: Page, name: string): Promise<string[]> {
  await page.locator(".sheet").waitFor();
  const pdf = await page.pdf({ preferCSSPageSize: true, printBackground: false });
  await writeFile(join(pictures, `${name}.pdf`), pdf);
  return textOf(pdf);
}

const bare = (text: string) => text.replace(/\s/g, "");

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
  for (const said of ["双向转诊单（下转/回转）", "阿司匹林肠溶片", "100 mg，每日一次", "替格瑞洛片", "90 mg，每日两次", "立即拨打120", "2027-01-05"]) {
    expect(all, said).toContain(bare(said));
  }
  await page.getByRole("button", { name: "切换为英文" }).click();
  await page.getByRole("heading", { name: "Referral back down" }).waitFor();
  const english = (await print(page, "slip-down-en")).join(" ");
  expect(english).toContain("Page 1 of");
  expect(english).toContain("Medicines");
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
