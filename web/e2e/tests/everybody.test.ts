import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { ask, keep, play, raise } from "../src/stage";

const line = new URL("../lines/rush", import.meta.url).pathname;
const { window } = play(() => raise([["protocol", "install", line]]));
const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true } as const;

/** How much larger text is for those who see badly (适老化: type of one and a half times the usual size suits; never less than this). */
const LARGER = 1.25;

/** The sizes of the text on a screen that somebody reads, in pixels, from the least on. */
function sizes(page: Page): Promise<number[]> {
  return page.evaluate(() => {
    const walker = document.createTreeWalker(document.querySelector("#content") ?? document.body, NodeFilter.SHOW_TEXT);
    const found: number[] = [];
    while (walker.nextNode()) {
      const holder = walker.currentNode.parentElement;
      if (holder === null || (walker.currentNode.textContent ?? "").trim() === "" || holder.closest("svg, [aria-hidden=true]") !== null) continue;
      if (holder.checkVisibility({ visibilityProperty: true })) found.push(Number.parseFloat(getComputedStyle(holder).fontSize));
    }
    return found.sort((left, right) => left - right);
  });
}

const still = (page: Page) => page.waitForFunction(() => document.querySelector("main h1, .board h1") !== null && document.querySelector(".ant-skeleton") === null);

async function setElder(page: Page, isElder: boolean): Promise<void> {
  await page.evaluate((isElder) => localStorage.setItem("qingshan.settings", JSON.stringify({ isElder })), isElder);
}

const screens: readonly [string, string | undefined, readonly string[]][] = [
  ["shan", undefined, ["/mine", "/patients/shan", "/patients/shan?view=looked", "/mine/shan/consents", "/settings"]],
  ["wu", "示范县医院", ["/patients/shan", "/work", "/board"]],
];

for (const [login, at, places] of screens) {
  for (const [device, view] of [["a desk", {}], ["a phone", phone]] as const) {
    test(`large type makes everything larger that ${login} reads on ${device}, and the screen is read out`, async () => {
      const page = await window(login, { ...view, ...(at !== undefined && { at }) });
      for (const place of places) {
        await setElder(page, false);
        await page.goto(place);
        await still(page);
        const usual = await sizes(page);
        expect(await page.locator(".aloud").count(), place).toBe(0);
        await setElder(page, true);
        await page.reload();
        await still(page);
        await page.locator(".aloud button").waitFor();
        const large = await sizes(page);
        const middle = (all: readonly number[]) => all[Math.floor(all.length / 2)] ?? 0;
        expect(usual.length, place).toBeGreaterThan(3);
        expect((large[0] ?? 0) / (usual[0] ?? 1), `${place}: the least text, from ${usual[0]} to ${large[0]}`).toBeGreaterThanOrEqual(LARGER);
        expect(middle(large) / middle(usual), `${place}: most text`).toBeGreaterThanOrEqual(LARGER);
        await keep(page, `elder-${device.replace(" ", "-")}-${login}-${places.indexOf(place)}`);
      }
      await setElder(page, false);
    });
  }
}

/**
 * How each state of something is told apart from its colour: its words without names and numbers, and the shapes drawn in it.
 * States are the classes an element has besides those that all have.
 */
function tellings(page: Page, what: string): Promise<[string, string][]> {
  return page.locator(what).evaluateAll((elements) =>
    elements.map((element) => {
      const words = (element as HTMLElement).innerText.replace(/[\d\s:.]+/g, " ").trim();
      const shapes = [...element.querySelectorAll("svg path")].map((path) => path.getAttribute("d") ?? "");
      return [element.className, [words, ...shapes].join("|")];
    }),
  );
}

/** Fails where two states look the same to somebody who sees no colours, or a state has no sign at all. */
function expectApart(told: readonly (readonly [string, string])[], least: number): void {
  const states = new Map(told.map(([state, telling]) => [state, telling] as const));
  expect(states.size, JSON.stringify([...states.keys()])).toBeGreaterThanOrEqual(least);
  for (const [state, telling] of states) expect(telling.replace(/\|/g, "").trim(), state).not.toBe("");
  expect(new Set(states.values()).size, JSON.stringify([...states])).toBe(states.size);
}

/** Starts the lane at the door for somebody new whose arrival was so many minutes ago. */
async function start(page: Page, name: string, minutes: number): Promise<void> {
  const patient = await ask(page, "POST", "/fhir/Patient", { resourceType: "Patient", name: [{ use: "official", text: name }], gender: "male" });
  const about = { protocol: "rush", start: "door", class: "red", patient: `Patient/${String(patient["id"])}`, roles: { emergency: "Organization/county" } };
  const run = await ask(page, "POST", "/runs", about);
  const { name: signature } = await ask(page, "GET", "/auth/session");
  const at = new Date(Date.now() - minutes * 60_000).toISOString();
  if (minutes > 0) await ask(page, "POST", `/runs/${String(run["id"])}/acts`, { deed: "correct", milestone: "door", n: 1, at, reason: "门口登记", signature });
}

test("how a clock stands on the board and on the worklist is told by words and a shape, not by a colour", async () => {
  const doctor = await window("wu", { at: "示范县医院" });
  await start(doctor, "张甲", 0);
  await start(doctor, "李乙", 27);
  await start(doctor, "王丙", 65);
  const nurse = await window("lin");
  await nurse.goto("/board");
  await nurse.locator(".board-row").nth(2).waitFor();
  await nurse.locator(".board-row .clock-breach").first().waitFor();
  const board = await tellings(nurse, ".board-row .clock");
  expectApart(board.map(([state, telling]) => [state, telling.replace(/[剩超时]+\s*|分钟|秒/g, "")]), 2);
  // What somebody who sees no colours at all has before them.
  const tools = await nurse.context().newCDPSession(nurse);
  await tools.send("Emulation.setEmulatedVisionDeficiency", { type: "achromatopsia" });
  await keep(nurse, "everybody-board");
  await nurse.goto("/work");
  await nurse.locator(".work-row .clock").first().waitFor();
  expectApart(await tellings(nurse, ".work-row .clock"), 1);
  for (const [, telling] of await tellings(nurse, ".work-row .clock:not(.clock-none)")) expect(telling).toMatch(/\|M/);
  await keep(nurse, "everybody-work");
});

test("what the banner of a patient warns of is told by words and a sign", async () => {
  const doctor = await window("wu", { at: "示范县医院" });
  await doctor.goto("/patients/shan");
  await doctor.locator(".relation").waitFor();
  await doctor.locator(".allergies").waitFor();
  const open = await doctor.locator(".relation").innerText();
  const stranger = await window("gao");
  await stranger.goto("/patients/ouyang");
  await stranger.locator(".relation.is-closed").waitFor();
  expect(await stranger.locator(".relation.is-closed").innerText()).not.toBe(open);
  for (const warning of await doctor.locator(".allergies.is-there, .alerts .tag").all()) {
    // A sign that is drawn stands before the words that are read out.
    expect(await warning.innerText()).toMatch(/^[⚠⚑●]\s*\S/u);
  }
});
