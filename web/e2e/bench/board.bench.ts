// How long it takes from the ambulance's POST until it is painted on a board, while many boards are open.

import { writeFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { be, raise, wear, type Stage } from "../src/stage";

const number = (name: string, usual: number): number => Number(process.env[name] ?? usual);
/** Boards that are open, of which so many are real pages of Chromium. */
const BOARDS = number("QINGSHAN_BENCH_BOARDS", 50);
const PAGES = Math.min(number("QINGSHAN_BENCH_PAGES", 3), BOARDS);
/** Cases that are under way all the while, of which so many are still on the road. */
const CASES = number("QINGSHAN_BENCH_CASES", 200);
const ROAD = Math.min(10, CASES);
/** Warnings that are measured. */
const WARNINGS = number("QINGSHAN_BENCH_WARNINGS", 200);
const OUT = process.env["QINGSHAN_BENCH_OUT"];

const HOSPITAL = "Organization/county";
const RUN = "https://qingshan.dev/fhir/CodeSystem/run";
const PROTOCOL = "https://qingshan.dev/fhir/CodeSystem/protocol";

let stage: Stage;
beforeAll(async () => {
  // Nobody is signed out while it is measured.
  stage = await raise([], { settings: "[sign_in]\nidle_minutes = 600\nsession_hours = 24\n" });
});
afterAll(() => stage?.close());

/** Somebody who is signed in without a browser. */
class Person {
  private constructor(
    private readonly cookie: string,
    private readonly csrf: string,
  ) {}

  static async enter(login: string): Promise<Person> {
    const answer = await fetch(`${stage.origin}/auth/demo`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ login }) });
    if (!answer.ok) throw new Error(`${login} may not enter: ${answer.status}`);
    const { csrf } = (await answer.json()) as { csrf: string };
    return new Person(answer.headers.getSetCookie().map((one) => one.split(";")[0]).join("; "), csrf);
  }

  private headers(kind: string): Record<string, string> {
    return { Cookie: this.cookie, "X-CSRF-Token": this.csrf, "X-Purpose-Of-Use": "TREAT", Accept: kind, "Content-Type": kind, Prefer: "return=representation" };
  }

  async ask(method: "GET" | "POST", path: string, body?: object): Promise<Record<string, unknown>> {
    const headers = this.headers(path.startsWith("/fhir") ? "application/fhir+json" : "application/json");
    const answer = await fetch(`${stage.origin}${path}`, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as Record<string, unknown>;
  }

  stream(topic: string): Promise<Response> {
    return fetch(`${stage.origin}/live?topic=${encodeURIComponent(topic)}`, { headers: { ...this.headers("text/event-stream") } });
  }
}

/** How often a board reads those who are on the road again, and whether pages go out, in milliseconds. */
const AGAIN = 20_000;
const TROUBLES = 5_000;
/** How many runs a board reads at once. */
const AT_ONCE = 4;

interface Run {
  end?: string;
  milestones: { code: string }[];
}

/**
 * A board without pixels, which asks for what a board asks for: it lists the runs and reads each, is told what changed and
 * reads that run again, and reads again at intervals those who are on the road and whether pages go out.
 */
class PlainBoard {
  private isOver = false;
  private readonly coming = new Set<string>();
  private readonly waiting = new Set<string>();
  private readonly reading = new Set<string>();
  private readonly timers: NodeJS.Timeout[] = [];
  private settled = () => {};
  reads = 0;
  failures = 0;

  constructor(
    private readonly person: Person,
    private readonly codes: string,
  ) {}

  /** Resolves once everything was read. */
  async open(): Promise<void> {
    const response = await this.person.stream(`Task?_tag=${RUN}|root&status=in-progress&code=${this.codes}`);
    void this.listen(response);
    const query = new URLSearchParams({ _tag: `${RUN}|root`, status: "in-progress", code: this.codes, _elements: "status", _count: "200" });
    const page = await this.person.ask("GET", `/fhir/Task?${query.toString()}`);
    const all = new Promise<void>((done) => (this.settled = done));
    for (const { resource } of (page["entry"] as { resource: { id: string } }[] | undefined) ?? []) this.read(resource.id);
    await all;
    this.timers.push(setInterval(() => this.coming.forEach((id) => this.read(id)), AGAIN));
    this.timers.push(setInterval(() => void this.ask("/paging/trouble"), TROUBLES));
  }

  close(): void {
    this.isOver = true;
    this.timers.forEach(clearInterval);
  }

  private async listen(response: Response): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const piece of response.body ?? []) {
      if (this.isOver) return;
      rest += decoder.decode(piece as Uint8Array, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines.filter((one) => one.startsWith("data: "))) {
        const { id } = JSON.parse(line.slice(6)) as { id?: string };
        if (id !== undefined) this.read(id);
      }
    }
  }

  /** Has a run read; one that is being read and changes meanwhile is read once more after that. */
  private read(id: string): void {
    this.waiting.add(id);
    this.work();
  }

  private work(): void {
    while (this.reading.size < AT_ONCE) {
      const id = [...this.waiting].find((one) => !this.reading.has(one));
      if (id === undefined) break;
      this.waiting.delete(id);
      this.reading.add(id);
      void this.readOne(id);
    }
    if (this.waiting.size === 0 && this.reading.size === 0) this.settled();
  }

  private async readOne(id: string): Promise<void> {
    this.reads += 1;
    const run = (await this.ask(`/runs/${id}?with=patient`)) as unknown as Run | undefined;
    const isComing = run !== undefined && run.end === undefined && !run.milestones.some(({ code }) => code === "door" || code === "arrived");
    if (isComing) this.coming.add(id);
    else this.coming.delete(id);
    this.reading.delete(id);
    this.work();
  }

  private ask(path: string): Promise<Record<string, unknown> | undefined> {
    return this.person.ask("GET", path).catch(() => {
      this.failures += 1;
      return undefined;
    });
  }
}

const patient = (name: string) => ({ resourceType: "Patient", active: true, name: [{ use: "anonymous", text: name }], gender: "male", birthDate: "1946" });

/** A form as the ambulance fills it in. */
function warning(eta: string): object {
  const answer = (linkId: string, value: object) => ({ linkId, answer: [value] });
  const coding = (list: string, code: string) => ({ valueCoding: { system: `https://qingshan.dev/fhir/CodeSystem/${list}`, code } });
  return {
    resourceType: "QuestionnaireResponse",
    status: "completed",
    questionnaire: "https://qingshan.dev/fhir/Questionnaire/emergency-warning",
    item: [
      { linkId: "case", item: [answer("eta", { valueDateTime: eta })] },
      { linkId: "who", item: [answer("unknown-identity", { valueBoolean: true })] },
      {
        linkId: "what",
        item: [answer("suspected", coding("emergency-pathway", "stroke")), answer("complaint", { valueString: "言语不清、右侧无力" }), answer("certainty", coding("emergency-certainty", "unknown"))],
      },
    ],
  };
}

const inMinutes = (minutes: number): string => new Date(Date.now() + minutes * 60_000).toISOString();

async function warn(crew: Person, name: string, minutes: number): Promise<{ run: string; sent: number }> {
  const person = await crew.ask("POST", "/fhir/Patient", patient(name));
  const run = crypto.randomUUID();
  const roles = { hospital: HOSPITAL, crew: HOSPITAL };
  const body = { id: run, protocol: "emergency", start: "ambulance", class: "critical", patient: `Patient/${String(person["id"])}`, roles, response: warning(inMinutes(minutes)) };
  const sent = Date.now();
  await crew.ask("POST", "/runs", body);
  return { run, sent };
}

/** Puts a case under way: most are at the door. */
async function begin(crew: Person, doctor: Person, place: number): Promise<void> {
  const name = `在办${String(place).padStart(3, "0")}`;
  if (place < ROAD) return void (await warn(crew, name, 40));
  const person = await doctor.ask("POST", "/fhir/Patient", patient(name));
  const run = crypto.randomUUID();
  await doctor.ask("POST", "/runs", { id: run, protocol: "stroke", start: "door", patient: `Patient/${String(person["id"])}`, class: "known", roles: { hospital: HOSPITAL } });
  await doctor.ask("POST", `/runs/${run}/acts`, { deed: "complete", step: "arrive", n: 1 });
}

/** Notes on a page when something is first painted. */
async function watch(page: Page): Promise<void> {
  await page.evaluate(() => {
    const painted = new Map<string, number>();
    const wanted = new Map<string, string[]>();
    const look = () => {
      for (const [key, words] of wanted) {
        const row = [...document.querySelectorAll(".board-row")].find((one) => words.every((word) => one.textContent?.includes(word)));
        if (row === undefined) continue;
        wanted.delete(key);
        // A message that is posted in a frame comes after that frame was painted.
        requestAnimationFrame(() => {
          const channel = new MessageChannel();
          channel.port1.onmessage = () => painted.set(key, Date.now());
          channel.port2.postMessage(0);
        });
      }
    };
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });
    Object.assign(globalThis, { painted, wanted });
  });
}

interface Marks {
  painted: Map<string, number>;
  wanted: Map<string, string[]>;
}

const want = (page: Page, key: string, words: string[]) => page.evaluate(([key, words]) => void (globalThis as unknown as Marks).wanted.set(key, words), [key, words] as const);

async function seen(page: Page, key: string): Promise<number> {
  const found = await page.waitForFunction((key) => (globalThis as unknown as Marks).painted.get(key), key, { timeout: 60_000, polling: 50 });
  return (await found.jsonValue()) as number;
}

const readBy = (boards: readonly PlainBoard[]): number => boards.reduce((sum, { reads }) => sum + reads, 0);

/** The smallest of sorted numbers that this share of them does not exceed (nearest rank). */
const rank = (sorted: readonly number[], share: number): number => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;

test("a warning and what changes in it are painted on every board soon after the ambulance has sent it", async () => {
  const [crew, doctor] = await Promise.all([Person.enter("lu"), Person.enter("lin")]);
  for (let place = 0; place < CASES; place += 1) await begin(crew, doctor, place);
  const entries = (await doctor.ask("GET", "/protocols")) as unknown as { code: string }[];
  const protocols = await Promise.all(entries.map(({ code }) => doctor.ask("GET", `/protocols/${code}`) as Promise<{ code: string; milestone?: { code: string }[]; summary?: { code: string }[] }>));
  const onBoard = protocols.filter(({ milestone = [], summary = [] }) => milestone.some(({ code }) => code === "door") || summary.some(({ code }) => code === "eta"));
  const codes = onBoard.map(({ code }) => `${PROTOCOL}|${code}`).join(",");
  const plain: PlainBoard[] = [];
  for (let place = 0; place < BOARDS - PAGES; place += 1) {
    const board = new PlainBoard(await Person.enter(["lin", "lu"][place % 2] ?? "lin"), codes);
    await board.open();
    plain.push(board);
  }
  const pages: Page[] = [];
  for (let place = 0; place < PAGES; place += 1) {
    const { page } = await stage.open();
    const login = place % 2 === 0 ? "lin" : "wu";
    await be(page, login);
    if (login === "wu") await wear(page, "示范县医院");
    await page.goto("/board");
    await page.locator(".board:not(.is-partial) .live-live").waitFor({ timeout: 120_000 });
    await page.mouse.move(2, 2);
    await watch(page);
    pages.push(page);
  }

  const before = readBy(plain);
  const warned: number[] = [];
  const changed: number[] = [];
  for (let turn = 0; turn < WARNINGS; turn += 1) {
    const name = `测时${String(turn).padStart(4, "0")}号`;
    await Promise.all(pages.map((page) => want(page, name, [name])));
    const { run, sent } = await warn(crew, name, 15);
    warned.push(...(await Promise.all(pages.map((page) => seen(page, name)))).map((at) => at - sent));

    const eta = inMinutes(75);
    const minute = new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Shanghai", hour: "2-digit", minute: "2-digit" }).format(new Date(eta));
    const key = `${name} ${minute}`;
    await Promise.all(pages.map((page) => want(page, key, [name, minute])));
    const response = {
      resourceType: "QuestionnaireResponse",
      status: "completed",
      questionnaire: "https://qingshan.dev/fhir/Questionnaire/emergency-update",
      item: [{ linkId: "eta", answer: [{ valueDateTime: eta }] }, { linkId: "change", answer: [{ valueString: "堵车" }] }],
    };
    const told = Date.now();
    await crew.ask("POST", `/runs/${run}/acts`, { deed: "complete", step: "update", n: 1, response });
    changed.push(...(await Promise.all(pages.map((page) => seen(page, key)))).map((at) => at - told));
    await crew.ask("POST", `/runs/${run}/acts`, { deed: "cancel", reason: { code: "error" } });
  }
  for (const board of plain) board.close();

  const failures = plain.reduce((sum, { failures }) => sum + failures, 0);
  const row = (what: string, times: number[]) => {
    times.sort((left, right) => left - right);
    return `| ${what} | ${times.length} | ${rank(times, 0.5)} ms | ${rank(times, 0.99)} ms | ${times.at(-1)} ms |`;
  };
  const table = [
    "| from the ambulance's POST to pixels | painted | half within | 99 % within (goal 500 ms) | longest |",
    "| --- | --- | --- | --- | --- |",
    row("a new warning", warned),
    row("a changed time of arrival", changed),
  ].join("\n");
  const reads = readBy(plain) - before;
  const told = `${BOARDS} boards open, ${PAGES} of them pages of Chromium, ${CASES} cases under way, ${WARNINGS} warnings; the other boards read ${reads} runs meanwhile, and ${failures} of what they asked for failed.`;
  if (OUT !== undefined) await writeFile(OUT, `${told}\n\n${table}\n`);
  console.log(`${told}\n${table}`);
  expect(failures).toBe(0);
});
