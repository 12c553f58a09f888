import type { BrowserContextOptions, Locator, Page } from "playwright-core";
import { expect } from "vitest";
import { keep as kept, play, raise, type Play } from "./stage";

const beside = (path: string) => new URL(`../${path}`, import.meta.url).pathname;

/** A line of the repository whose stories are told, and who plays in them besides the small region's people. */
const before = (line: string) => [
  ["import", beside("referral/people.json")],
  ["account", "import", beside("referral/accounts.ndjson")],
  ["protocol", "install", beside(`../../lines/${line}`)],
];

/**
 * Who plays: `fang` is a family doctor in town, `jiang` sits in the county hospital's referral office, `tao` and `shi`
 * are doctors of its cardiology, `luo` of its paediatrics, `pei` a doctor and `zeng` a nurse of its emergency department,
 * `gao` a doctor in the city. `shan`, `qiu`, `xie` and `meng` are patients, and `ou` is the mother of the child `ouyang`.
 * A story has a patient of its own, so that what one leaves open is not taken for another's.
 */
export type Player = "fang" | "jiang" | "tao" | "shi" | "luo" | "pei" | "zeng" | "gao" | "shan" | "qiu" | "xie" | "meng" | "ou";

export const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

/** Screens side by side before one running record, which is there for the tests that stand where this is called. */
export function screensOf(line: string): Screens {
  return new Screens(play(() => raise(before(line))));
}

export class Screens {
  constructor(private readonly play: Play) {}

  /** A window of somebody's, where they are shown what waits for them. */
  open(who: Player, options: BrowserContextOptions = {}): Promise<Page> {
    return this.play.window(who, options);
  }

  /** A window with somebody's worklist, which from now on shows by itself what comes. */
  async work(who: Player): Promise<Page> {
    const page = await this.open(who);
    await toWork(page);
    return page;
  }

  /**
   * What a patient or a relative holds in the hand.
   *
   * @param voice gives it one; a Chromium without a screen has none
   */
  async phone(who: Player, { voice = false } = {}): Promise<Page> {
    const page = await this.open(who, phone);
    if (voice) await page.addInitScript(speak);
    await page.locator(".under-way").first().waitFor();
    return page;
  }
}

/** A voice that says at once what it is given, and remembers it. */
function speak(): void {
  const heard: string[] = [];
  const voice = {
    getVoices: () => [{}],
    cancel: () => undefined,
    speak(words: SpeechSynthesisUtterance) {
      heard.push(words.text);
      queueMicrotask(() => words.onend?.(new Event("end") as SpeechSynthesisEvent));
    },
  };
  Object.defineProperty(globalThis, "speechSynthesis", { value: voice });
  Object.assign(globalThis, { heard });
}

/** What a phone with a voice has said. */
export const heard = (page: Page): Promise<string> => page.evaluate(() => ((globalThis as { heard?: string[] }).heard ?? []).join("\n"));

/** Presses a key until something has the keyboard; it must get there by so many presses. */
export async function press(page: Page, key: string, until: Locator, most = 60): Promise<void> {
  const has = () => until.evaluate((element) => element === document.activeElement);
  for (let times = 0; times < most && !(await has()); times += 1) await page.keyboard.press(key);
  expect(await has(), `${key} must lead to ${until}`).toBe(true);
}

/** By the menu, so that the page is never loaded anew. */
export async function toWork(page: Page): Promise<void> {
  await page.locator("header a, nav a").filter({ hasText: /^待办$/ }).first().click();
  await rest(page);
}

/** A list that nobody points at shows by itself what comes. */
async function rest(page: Page): Promise<void> {
  await page.locator(".work .live-live").waitFor();
  await page.mouse.move(2, 2);
}

/** What waits for somebody, by whom it is about and what is to be done. */
export const row = (page: Page, patient: string, step: string): Locator =>
  page.locator(".work-row:not(.is-gone)").filter({ hasText: patient }).filter({ hasText: step });

/** Answers to a form by the labels of its questions: what is typed, or the words of a choice. */
export type Answers = Readonly<Record<string, string>>;

export async function fill(page: Page, answers: Answers): Promise<void> {
  for (const [label, value] of Object.entries(answers)) {
    const named = new RegExp(`^${label.replace(/[()]/g, "\\$&")}(?: \\*.*)?$`);
    const own = page.locator(":is(legend, label)").filter({ hasText: named });
    const question = page.locator(".form-question").filter({ has: own }).last();
    await question.waitFor();
    const choices = question.locator(".form-scale label");
    if ((await choices.count()) > 0) await choices.filter({ has: page.getByText(value, { exact: true }) }).click();
    else await question.locator("input, textarea").first().fill(value);
  }
}

/** What a way to refer asks for, as far as every story answers alike. */
export const usual: Answers = {
  转诊类别: "门诊",
  主要原因: "诊断不明，或检查检验异常待查",
  感染与隔离: "无",
  前往方式: "家属护送",
  费用来源: "城乡居民基本医疗保险",
  "已说明转诊理由、去向、费用和风险，患者方同意": "是",
  签署人: "患者本人",
  同意接收机构查阅与本次转诊有关的健康档案: "是",
};

/** Refers a patient up, from their record on; ends on the page of the run. */
export async function refer(
  page: Page,
  asked: { patient: string; urgency: string; to: string; others?: Readonly<Record<string, string>>; answers: Answers },
): Promise<void> {
  await page.goto(`/protocols/referral?view=start&patient=${asked.patient}`);
  await page.locator(".start-patient").waitFor();
  await page.getByText("上转", { exact: true }).click();
  await page.getByText(asked.urgency, { exact: true }).click();
  await page.getByLabel("接收方").selectOption({ label: asked.to });
  await page.locator(".start-more summary").click();
  for (const [role, who] of Object.entries(asked.others ?? {})) await page.getByLabel(role).selectOption({ label: who });
  await fill(page, { ...usual, ...asked.answers });
  await page.locator(".start-run button[type=submit]").click();
  await page.locator(".run-head").waitFor();
  await page.locator(".run .live-live").waitFor();
}

/** Opens something that waits. */
export async function take(page: Page, patient: string, step: string): Promise<void> {
  await row(page, patient, step).first().getByRole("link").click();
  await page.locator(".task-title", { hasText: step }).waitFor();
  await page.locator(".task-outcomes").waitFor();
}

const pressed = (page: Page, name: string) => page.locator(".task-doing").getByRole("button", { name, exact: true });

/** Does what is open: presses an outcome, fills in what it asks for, gives a reason, until it is done. */
export async function decide(page: Page, outcome: string, given: { answers?: Answers; reason?: string; asks?: boolean } = {}): Promise<void> {
  const { answers, reason, asks = false } = given;
  if (asks) {
    await pressed(page, outcome).click();
    await page.locator(".task-chosen").waitFor();
  }
  await page.locator(asks || answers !== undefined ? ".task-doing .step-form .form" : ".task-doing").waitFor({ state: "attached" });
  await fill(page, answers ?? {});
  await pressed(page, outcome).click();
  if (reason === undefined) return;
  const dialog = page.locator(".dialog");
  await dialog.waitFor();
  const choices = dialog.locator(".form-scale label");
  await choices.filter({ hasText: reason }).click();
  await dialog.getByRole("button", { name: outcome, exact: true }).click();
}

/** It is done, and the screen says so; goes back to what waits. */
export async function done(page: Page): Promise<void> {
  await page.locator(".task-done").waitFor();
  await page.locator(".task-done").getByRole("link", { name: "返回待办" }).click();
  await rest(page);
}

/** One thing from the worklist to the worklist. */
export async function settle(page: Page, patient: string, step: string, outcome: string, given: Parameters<typeof decide>[2] = {}): Promise<void> {
  await take(page, patient, step);
  await decide(page, outcome, given);
  await done(page);
}

/** Waits until the page of a run shows who owns it, and holds that it shows one owner and no other. */
export async function owned(page: Page, by: string): Promise<void> {
  const facts = page.locator(".run-head .banner-facts div").filter({ has: page.locator("dt", { hasText: "当前负责" }) });
  await facts.filter({ hasText: by }).waitFor();
  expect(await facts.count()).toBe(1);
}

/** Waits until a clock of a run shows how it stands. */
export async function clock(page: Page, title: string, level: RegExp): Promise<void> {
  await page.locator(".clocks > li").filter({ has: page.locator(".clocks-name", { hasText: title }) }).filter({ hasText: level }).first().waitFor({ state: "attached" });
}

/** Waits until a milestone stands among those of a run. */
export const reached = (page: Page, title: string): Promise<void> => page.locator(".milestones strong", { hasText: title }).first().waitFor();

/** Waits until the phone says so. */
export const told = (page: Page, words: string): Promise<void> =>
  page.locator(".under-way-now", { hasText: words }).filter({ visible: true }).first().waitFor();

/** Leaves a picture of the whole page, and holds what every screen must keep to. */
export const keep = (page: Page, name: string): Promise<void> => kept(page, `referral-${name}`, { fullPage: true });

/** A time in Shanghai some minutes from now, as forms take it. */
export function minute(after: number): string {
  const at = new Date(Date.now() + after * 60_000 + 8 * 3_600_000);
  return at.toISOString().slice(0, 16).replace("T", " ");
}
