import { join } from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { look, touch, type Run } from "../src/drill";
import { Outside, Subscription, vapidOf, type Message } from "../src/outside";
import { be, pictures, raise, type Stage } from "../src/stage";
import { unreadable } from "../src/wall";

const drill = (name: string) => new URL(`../drill/${name}`, import.meta.url).pathname;
const people = [
  ["import", drill("people.json")],
  ["account", "import", drill("accounts.ndjson")],
];
const MINUTE = 60_000;
const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

/** Who is called at night, and over which number: a neurologist, somebody at the scanner, one in the laboratory, the duty chief. */
const numbers = { ji: "15400000001", tang: "15400000002", yan: "15400000003", zong: "15400000004" };

let stage: Stage;
let outside: Outside;
const contexts: BrowserContext[] = [];

/** A record with an outside, whose people have telephones. */
async function begin(channels: string[], clock?: number): Promise<void> {
  outside = await Outside.raise();
  // Nobody signs in anew within the hours that pass here in a minute.
  const settings = `[sign_in]
idle_minutes = 600
session_hours = 24
token_seconds = 36000
[paging]
gateway = "${outside.origin}/messages"
channels = ${JSON.stringify(channels)}
contact = "mailto:duty@hospital.example"
allow_private = true
wait_seconds = 1
`;
  stage = await raise(people, { settings, machines: ["staffing"], ...(clock !== undefined && { clock }) });
  for (const [id, value] of Object.entries(numbers)) {
    const person = await stage.ask("staffing", "GET", `/fhir/Practitioner/${id}`);
    await stage.ask("staffing", "PUT", `/fhir/Practitioner/${id}`, { ...person, telecom: [{ system: "phone", use: "mobile", value }] });
  }
}

async function end(): Promise<void> {
  await stage?.close();
  outside?.close();
}

afterEach(async () => {
  await Promise.all(contexts.splice(0).map((context) => context.close()));
});

/** A window of somebody's, in which every note that sounds is counted. */
async function window(login: string, options: Parameters<Stage["open"]>[0] = {}): Promise<Page> {
  const { page, context } = await stage.open(options);
  contexts.push(context);
  page.on("pageerror", (cause) => {
    throw cause;
  });
  await page.addInitScript(() => {
    const own = globalThis as unknown as { notes: number };
    own.notes = 0;
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function (...at) {
      own.notes += 1;
      start.apply(this, at);
    };
  });
  await be(page, login);
  return page;
}

const notes = (page: Page): Promise<number> => page.evaluate(() => (globalThis as unknown as { notes: number }).notes);

/** What a screen does not show is asked of the record from within the page, as whoever is signed in there. */
async function ask(page: Page, method: "GET" | "POST", path: string, body?: object): Promise<Record<string, unknown>> {
  return page.evaluate(
    async ([method, path, body]) => {
      const session = (await (await fetch("/auth/session")).json()) as { csrf: string };
      const kind = path.startsWith("/fhir") ? "application/fhir+json" : "application/json";
      const headers: Record<string, string> = { Accept: kind, "Content-Type": kind, Prefer: "return=representation", "X-CSRF-Token": session.csrf, "X-Purpose-Of-Use": "TREAT" };
      const answer = await fetch(path, { method, headers, ...(method === "POST" && { body: JSON.stringify(body) }) });
      if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
      return (await answer.json()) as Record<string, unknown>;
    },
    [method, path, body] as const,
  );
}

/** Somebody comes to the door by themselves; gives the id of their case. */
async function arrives(page: Page, name: string): Promise<string> {
  const official = { use: "official", text: name, family: name.slice(0, 1), given: [name.slice(1)] };
  const patient = await ask(page, "POST", "/fhir/Patient", { resourceType: "Patient", name: [official], gender: "female", birthDate: "1946-03-02" });
  const county = "Organization/county";
  const roles = { hospital: county, emergency: county, crew: county };
  const run = await ask(page, "POST", "/runs", { protocol: "emergency", start: "walk-in", patient: `Patient/${String(patient["id"])}`, roles });
  return String(run["id"]);
}

/** Starts the stroke team with one touch, and gives the id of the pathway. */
async function call(page: Page, emergency: string): Promise<string> {
  await touch(page, emergency, "一键启动专病团队", "卒中");
  const run = (await ask(page, "GET", `/runs/${emergency}`)) as unknown as Run;
  return run.steps.find(({ code }) => code === "run-stroke")?.run ?? "";
}

const written = (at: number) => new Intl.DateTimeFormat("sv-SE", { timeZone: "Asia/Shanghai", dateStyle: "short", timeStyle: "short" }).format(at);

/** Puts somebody on call in the roster: from this morning to the next, or for twelve hours from an hour before a moment. */
async function putOn(page: Page, call: string, name: string, now?: number): Promise<void> {
  await page.locator(`[data-call=${call}] .roster-add`).first().click();
  const one = page.locator("dialog select option", { hasText: name });
  await one.waitFor({ state: "attached" });
  await page.locator("dialog select").selectOption((await one.getAttribute("value")) ?? "");
  if (now !== undefined) {
    await page.locator("dialog .roster-times input").nth(0).fill(written(now - 60 * MINUTE));
    await page.locator("dialog .roster-times input").nth(1).fill(written(now + 11 * 60 * MINUTE));
  }
  await page.getByRole("button", { name: "保存" }).click();
  await page.locator(`[data-call=${call}] .roster-on`, { hasText: name }).waitFor();
}

/** The numbers that messages went to, from one on, in order. */
const to = (messages: readonly Message[]): string[] => messages.map((one) => one.to).sort();

/** Waits until the gateway has so many messages, and gives those after the first few. */
async function sent(count: number, after = 0): Promise<Message[]> {
  await expect.poll(() => outside.messages.length, { timeout: 60_000 }).toBeGreaterThanOrEqual(count);
  expect(outside.messages.length).toBe(count);
  return outside.messages.slice(after);
}

describe("under a clock that is moved", () => {
  const BEGAN = Date.parse("2026-11-23T10:00:00+08:00");
  beforeAll(async () => {
    await begin(["sms"], BEGAN - MINUTE);
    // A record under such a clock lets a minute pass until its indexes are there.
    await stage.pass(BEGAN);
  });
  afterAll(end);

  test("a team is called with one touch, whoever does not answer again and then over their head, and everybody hears that it is over", async () => {
    const nurse = await window("lin");
    const [imaging, neurologist, chief] = await Promise.all([window("tang"), window("ji", phone), window("zong")]);

    // Those who are called keep the roster themselves.
    await nurse.goto("/roster");
    await nurse.locator("[data-call=stroke] .roster-nobody").waitFor();
    await nurse.screenshot({ path: join(pictures, "roster-empty.png"), fullPage: true });
    await putOn(nurse, "stroke", "纪安");
    await putOn(nurse, "chief", "宗持");
    await imaging.goto("/roster");
    await putOn(imaging, "imaging", "唐宁");
    await putOn(imaging, "laboratory", "颜实");
    await nurse.locator("[data-call=imaging] .roster-on", { hasText: "唐宁" }).waitFor();
    expect(await nurse.locator("[data-call=stroke] .roster-on").innerText()).toContain("短信");
    await nurse.screenshot({ path: join(pictures, "roster.png"), fullPage: true });

    // They have boards before them, and one of them wants to hear.
    await neurologist.goto("/board");
    await neurologist.locator(".tone").tap();
    await neurologist.locator(".tone.is-heard[aria-pressed=true]").waitFor();
    await chief.goto("/board");
    const heard = await notes(neurologist);
    const emergency = await arrives(nurse, "钟急来");
    const row = chief.locator(".board-row", { hasText: "钟急来" });
    await row.waitFor();
    const stroke = await call(nurse, emergency);

    const first = await sent(3);
    expect(to(first)).toEqual([numbers.ji, numbers.tang, numbers.yan]);
    for (const { text, channel } of first) {
      expect(channel).toBe("sms");
      expect(text).toContain("卒中急救：");
      expect(text).toContain("10:00，示范县医院");
      expect(text).not.toContain("钟急来");
    }
    await row.getByText("0/3").waitFor();
    await expect.poll(() => notes(neurologist)).toBeGreaterThan(heard);

    // One answers from the case that the row leads to, one from the laboratory's own screen.
    await neurologist.locator(".board-row", { hasText: "钟急来" }).locator(".board-link").tap();
    await neurologist.locator(".answer-call").waitFor();
    await neurologist.screenshot({ path: join(pictures, "answer-phone.png") });
    await neurologist.locator(".answer-call button", { hasText: "应答" }).tap();
    await neurologist.locator(".answer-call").waitFor({ state: "detached" });
    await row.locator(".board-answers", { hasText: "纪安" }).waitFor();
    const laboratory = await window("yan");
    await look(laboratory, stroke);
    await laboratory.locator(".answer-call button", { hasText: "应答" }).click();
    await row.getByText("2/3").waitFor();
    expect(await row.locator(".board-answers .is-waited").innerText()).toContain("影像科");
    await chief.screenshot({ path: join(pictures, "board-answered.png") });

    // Whoever has not answered is called again, and then the duty chief with them.
    await stage.pass(BEGAN + 2 * MINUTE);
    expect(to(await sent(4, 3))).toEqual([numbers.tang]);
    await stage.pass(BEGAN + 5 * MINUTE);
    const escalated = await sent(6, 4);
    expect(to(escalated)).toEqual([numbers.tang, numbers.zong]);
    expect(escalated[0]?.text).toContain("影像科应答");
    await look(chief, stroke);
    await chief.locator(".answer-call button", { hasText: "应答" }).click();
    await chief.locator(".answer-call").waitFor({ state: "detached" });
    await chief.goto("/board");
    await row.getByText("3/3").waitFor();
    await stage.pass(BEGAN + 12 * MINUTE);

    // It was none. Everybody who was called out is told, whoever is on call by now.
    await look(nurse, stroke);
    await nurse.locator(".pages").scrollIntoViewIfNeeded();
    await nurse.screenshot({ path: join(pictures, "pages.png") });
    await nurse.locator(".run-changes").getByRole("button", { name: "撤回" }).click();
    await nurse.locator("dialog label, dialog button.filter, dialog .choice").first().waitFor();
    await nurse.screenshot({ path: join(pictures, "stand-down.png") });
    await nurse.locator("dialog input[type=radio]").first().check({ force: true });
    await nurse.locator("dialog").getByRole("button", { name: "撤回" }).click();
    const last = await sent(10, 6);
    expect(to(last)).toEqual([numbers.ji, numbers.tang, numbers.yan, numbers.zong]);
    expect(last.every(({ text }) => text.includes("撤销"))).toBe(true);
  });

  test("a channel that is down is on the board with who was not reached, and what was to go out goes out once", async () => {
    const nurse = await window("lin");
    const before = outside.messages.length;
    outside.isDown = true;
    const emergency = await arrives(nurse, "罗通道");
    const stroke = await call(nurse, emergency);
    await nurse.goto("/board");
    const row = nurse.locator(".board-row", { hasText: "罗通道" });
    await row.locator(".trouble.is-grave", { hasText: "短信通道故障" }).waitFor();
    await nurse.screenshot({ path: join(pictures, "board-channel.png") });
    await nurse.setViewportSize({ width: 1920, height: 1080 });
    await nurse.goto("/board?wall=1");
    // Names are shortened on a wall.
    await nurse.locator(".board-row .trouble.is-grave").first().waitFor();
    await nurse.screenshot({ path: join(pictures, "board-channel-wall.png") });
    expect(await unreadable(nurse)).toEqual([]);
    await nurse.setViewportSize({ width: 1366, height: 768 });
    await look(nurse, stroke);
    await nurse.locator(".page-way.is-retried").first().waitFor();
    expect(outside.messages.length).toBe(before);
    outside.isDown = false;
    await stage.pass(BEGAN + 13 * MINUTE);
    // The team, and the duty chief, who is told of the channel over what is left of it.
    expect(to(await sent(before + 4, before))).toEqual([numbers.ji, numbers.tang, numbers.yan, numbers.zong]);
    await nurse.reload();
    await nurse.locator(".page-way.is-handed").first().waitFor();
    await nurse.goto("/board");
    await row.waitFor();
    await row.locator(".trouble.is-grave").waitFor({ state: "detached" });
  });
});

describe("with people whose numbers nobody knows yet", () => {
  beforeAll(() => begin(["sms", "voice"]));
  afterAll(end);

  test("whoever runs the platform enters the number somebody is called over, and they see that they can be reached", async () => {
    const nurse = await window("lin");
    await nurse.goto("/settings");
    await nurse.locator(".paging-numbers .is-missing").first().waitFor();
    const admin = await window("qian");
    await admin.goto("/consortium?at=county");
    await admin.getByRole("button", { name: "登记号码 林静" }).click();
    await admin.getByLabel("林静的手机号码").fill("0730-555");
    await admin.getByRole("button", { name: "保存号码" }).click();
    await admin.getByText("请填写11位手机号码").waitFor();
    await admin.screenshot({ path: join(pictures, "staff-number.png") });
    await admin.getByLabel("林静的手机号码").fill("154 0000 0009");
    await admin.getByRole("button", { name: "保存号码" }).click();
    await admin.getByRole("button", { name: "修改号码 林静" }).waitFor();
    await admin.locator(".staff-number", { hasText: "15400000009" }).waitFor();
    await nurse.reload();
    await nurse.locator(".paging-numbers li:not(.is-missing)").nth(1).waitFor();
  });

  test("somebody enters the number they are called over themselves", async () => {
    const doctor = await window("hao");
    await doctor.goto("/settings");
    await doctor.locator(".paging-numbers .is-missing").first().waitFor();
    await doctor.getByLabel("我的呼叫号码").fill("0730-555");
    await doctor.getByRole("button", { name: "保存号码" }).click();
    await doctor.getByText("请填写11位手机号码").waitFor();
    await doctor.getByLabel("我的呼叫号码").fill("154 0000 0010");
    await doctor.getByRole("button", { name: "保存号码" }).click();
    await doctor.getByText("号码已保存，下一次呼叫就用它。").waitFor();
    await doctor.locator(".paging-numbers li:not(.is-missing)").nth(1).waitFor();
    await doctor.screenshot({ path: join(pictures, "own-number.png") });
    await doctor.reload();
    await doctor.waitForFunction(() => [...document.querySelectorAll("input")].some(({ value }) => value === "15400000010"));
  });
});

describe("over a push service", () => {
  beforeAll(() => begin([]));
  afterAll(end);

  /** Turns the notifications of a window on, as its owner does. */
  async function turnOn(page: Page, subscription: Subscription): Promise<void> {
    await page.context().grantPermissions(["notifications"], { origin: stage.origin });
    await subscription.lend(page);
    await page.goto("/settings");
    await page.getByRole("button", { name: "在本机开启" }).click();
    await page.locator(".paging-devices .tag-new", { hasText: "本机" }).waitFor();
  }

  /** Hands a message to the service worker of a page, as its push service would. */
  async function deliver(page: Page, data: object): Promise<void> {
    const tools = await page.context().newCDPSession(page);
    const registered = new Promise<string>((found) =>
      tools.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
        const own = registrations.find(({ scopeURL, isDeleted }) => scopeURL === `${stage.origin}/` && !isDeleted);
        if (own !== undefined) found(own.registrationId);
      }),
    );
    await tools.send("ServiceWorker.enable");
    await tools.send("ServiceWorker.deliverPushMessage", { origin: stage.origin, registrationId: await registered, data: JSON.stringify(data) });
    await tools.detach();
  }

  /** What the notifications of a page say; called in the page itself. */
  const read = async () => {
    const registration = await navigator.serviceWorker.getRegistration("/");
    const all = (await registration?.getNotifications()) ?? [];
    return all.map((one) => {
      const { actions } = one as Notification & { actions: { action: string; title: string }[] };
      return { title: one.title, body: one.body, tag: one.tag, data: one.data as unknown, actions: actions.map(({ title }) => title) };
    });
  };
  type Shown = Awaited<ReturnType<typeof read>>[number];

  const shown = (page: Page) => page.evaluate(read);

  /**
   * The notification that a message becomes, as it is when it first appears: one that asks for nothing the browser puts
   * away by itself. A message can be lost with a worker that is just being stopped, and nothing says so; then it is
   * delivered again, as a push service does.
   */
  async function show(page: Page, data: Record<string, unknown>): Promise<Shown> {
    for (let again = 5; ; again -= 1) {
      await deliver(page, data);
      let found: Shown | undefined;
      const look = async () => (found = (await shown(page)).find(({ title }) => title === data["title"]));
      try {
        await expect.poll(look, { timeout: 10_000, interval: 50 }).toBeDefined();
      } catch (cause) {
        if (again === 0) throw cause;
      }
      if (found !== undefined) return found;
    }
  }

  /** Presses “answer” on a notification: its worker is told what a browser tells it. */
  async function press(page: Page, tag: string): Promise<void> {
    const worker = page.context().serviceWorkers().find((one) => one.url().endsWith("/page-worker.js"));
    if (worker === undefined) throw new Error("no worker looks after notifications");
    await worker.evaluate(`(async () => {
      const [notification] = await self.registration.getNotifications({ tag: ${JSON.stringify(tag)} });
      // What no hand has pressed may not be waited for; it is done all the same.
      self.addEventListener("error", (event) => event.preventDefault(), { once: true });
      self.dispatchEvent(new NotificationEvent("notificationclick", { notification, action: "answer" }));
    })()`);
  }

  /** The next message that was posted for a browser. */
  async function pushed(count: number) {
    await expect.poll(() => outside.pushed.length, { timeout: 60_000 }).toBe(count);
    const last = outside.pushed.at(-1);
    if (last === undefined) throw new Error("nothing was posted");
    return last;
  }

  test("a call reaches a browser sealed, is shown with nothing about the patient, and is answered on the notification", async () => {
    const nurse = await window("lin");
    const doctor = await window("ji");
    const subscription = new Subscription(outside, "ji");
    await turnOn(doctor, subscription);
    await doctor.locator(".paging-devices").screenshot({ path: join(pictures, "devices.png") });
    await doctor.getByRole("button", { name: "发送测试通知" }).click();
    await doctor.getByText(/测试通知已发出/).waitFor();
    expect(subscription.opened(await pushed(1))).toMatchObject({ title: "通知测试", url: "/settings" });

    await nurse.goto("/roster");
    await putOn(nurse, "stroke", "纪安", Date.now());
    const stroke = await call(nurse, await arrives(nurse, "钟急来"));
    const posted = await pushed(2);
    const { key, claims } = vapidOf(posted);
    expect(key).toEqual(await subscription.serverKey(doctor));
    expect(claims).toMatchObject({ aud: outside.origin, sub: "mailto:duty@hospital.example" });
    const left = claims.exp - Date.now() / 1000;
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(86_400);
    expect(posted.headers).toMatchObject({ urgency: "high" });
    expect(Number(posted.headers["ttl"])).toBeGreaterThan(0);
    expect(posted.body.toString("latin1")).not.toContain("stroke");
    const message = subscription.opened(posted);
    expect(message).toMatchObject({ title: "卒中急救：团队启动", run: stroke, url: `/runs/${stroke}`, tag: stroke, over: false });
    expect(JSON.stringify(message)).not.toContain("钟急来");

    await look(doctor, stroke);
    await doctor.locator(".answer-call").waitFor();
    const called = await show(doctor, message);
    expect(called).toEqual({ title: message["title"], body: message["body"], tag: stroke, data: { url: `/runs/${stroke}`, run: stroke }, actions: ["应答"] });
    expect(await shown(doctor)).toEqual([called]);
    await press(doctor, stroke);
    await doctor.locator(".answer-call").waitFor({ state: "detached" });
    await doctor.locator(".acknowledged", { hasText: "纪安" }).waitFor();
    expect(await shown(doctor)).toEqual([]);
  });

  test("a call that is answered while no screen is open is answered by the screen that then opens, and a stand-down takes its place", async () => {
    const nurse = await window("lin");
    const doctor = await window("ji");
    const subscription = new Subscription(outside, "ji-home");
    await turnOn(doctor, subscription);
    const before = outside.pushed.length;
    const stroke = await call(nurse, await arrives(nurse, "罗夜半"));
    await expect.poll(() => outside.pushed.slice(before).some(({ path }) => path === "/push/ji-home"), { timeout: 60_000 }).toBe(true);
    const own = outside.pushed.slice(before).find(({ path }) => path === "/push/ji-home");
    if (own === undefined) throw new Error("nothing was posted for the browser");
    const message = subscription.opened(own);
    await show(doctor, message);
    await press(doctor, stroke);
    await expect.poll(async () => (await shown(doctor)).length).toBe(0);
    await doctor.goto(String(message["url"]));
    await doctor.locator(".acknowledged", { hasText: "纪安" }).waitFor();
    await doctor.locator(".answer-call").waitFor({ state: "detached" });

    const stoodDown = await show(doctor, { ...message, title: "卒中急救：撤销", over: true });
    expect(stoodDown).toMatchObject({ tag: stroke, actions: [] });
  });
});
