import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";

const root = new URL("../../..", import.meta.url).pathname;
const program = process.env["QINGSHAN_BINARY"] ?? join(root, "target/debug/qingshan");
const portal = join(root, "web/portal/dist");
const beside = (name: string) => new URL(`../${name}`, import.meta.url).pathname;

/** Where pictures of the screens are left. */
export const pictures = process.env["QINGSHAN_PICTURES"] ?? join(tmpdir(), "qingshan-pictures");

/** What everybody of accounts.ndjson first signs in with; they are invented, and so is the region they work in. */
export const password = "Qinghe-7-Shan";

/**
 * Those who may sign in: `lin` is a nurse, `lu` a paramedic and `wu` a doctor of the county hospital, `wu` also a family doctor in town;
 * `gao` is a doctor in the city, `ma` sits at the county hospital's desk, `he` looks after its privacy, `qian` runs the
 * platform, and `shan` is a patient. The county hospital has a contract with every patient but one.
 */
export type Login = "lin" | "lu" | "wu" | "gao" | "ma" | "he" | "qian" | "shan";

/** A running record of a small invented region, and a browser before it. */
export interface Stage {
  origin: string;
  /** Opens a window of its own: own session, own line. */
  open(options?: BrowserContextOptions): Promise<{ page: Page; context: BrowserContext }>;
  /** Lets time pass on every clock there is, and returns when all that was due by then has happened. Needs {@link Scenery.clock}. */
  pass(to: number): Promise<void>;
  /** Asks as a machine client of {@link Scenery.machines} does. */
  ask(machine: string, method: "GET" | "POST" | "PUT", path: string, body?: object): Promise<Record<string, unknown>>;
  close(): Promise<void>;
}

/** What a stage has besides. */
export interface Scenery {
  /** A settings file, as text. */
  settings?: string;
  /** Accounts, besides those of accounts.ndjson. */
  accounts?: object[];
  /** When it is at first, in milliseconds since 1970: server and screens have a clock that stands until it is moved. */
  clock?: number;
  /** Machine clients that may write anything, by their ids. */
  machines?: string[];
}

/**
 * Starts the program on a fresh folder, and a browser.
 *
 * @param before what the program is run with before it serves, each for the same folder
 */
export async function raise(before: string[][] = [], { settings = "", accounts = [], clock, machines = [] }: Scenery = {}): Promise<Stage> {
  const data = await mkdtemp(join(tmpdir(), "qingshan-e2e-"));
  const beneath = async (name: string, text: string) => {
    await writeFile(join(data, name), text);
    return join(data, name);
  };
  await mkdir(pictures, { recursive: true });
  await told(["import", "--data", data, beside("region.json"), beside("people.json")]);
  const known = await readFile(beside("accounts.ndjson"), "utf8");
  const all = await beneath("accounts.ndjson", known + accounts.map((one) => `${JSON.stringify(one)}\n`).join(""));
  await told(["account", "import", "--data", data, all]);
  for (const words of before) await told([...words, "--data", data]);
  const secrets = new Map<string, string>();
  for (const id of machines) secrets.set(id, await told(["client", "add", "--id", id, "--scope", "system/*.cruds", "--data", data]));
  const settled = ["--settings", await beneath("settings.toml", settings)];
  const stepped = clock === undefined ? [] : ["--stepped-clock", new Date(clock).toISOString()];
  const server = spawn(program, [...settled, "serve", "--data", data, "--listen", "127.0.0.1:0", ...stepped], {
    env: { ...process.env, QINGSHAN__PORTAL__DIRECTORY: portal, QINGSHAN__SIGN_IN__DEMO: "true" },
    stdio: [clock === undefined ? "ignore" : "pipe", clock === undefined ? "ignore" : "pipe", "pipe"],
  });
  const over = new Promise<void>((ended) => server.once("close", () => ended()));
  const origin = await address(server);
  // It listens before it is ready; whoever asks meanwhile waits for the answer.
  await fetch(`${origin}/health`);
  const orders = server.stdout === null ? undefined : createInterface(server.stdout)[Symbol.asyncIterator]();
  const bearers = new Map<string, string>();
  for (const [id, secret] of secrets) bearers.set(id, await bearer(origin, id, secret));
  const browser = await launch();
  let now = clock;
  return {
    origin,
    async pass(to) {
      if (orders === undefined || server.stdin === null) throw new Error("the clock of this stage goes by itself");
      now = to;
      server.stdin.write(`${new Date(to).toISOString()}\n`);
      const { value, done } = await orders.next();
      if (done === true || Date.parse(value) !== to) throw new Error(`the clock stands still: ${String(value)}`);
      await Promise.all(browser.contexts().map((context) => context.clock.setFixedTime(to)));
    },
    async ask(machine, method, path, body) {
      const kind = path.startsWith("/fhir") ? "application/fhir+json" : "application/json";
      const headers = { Authorization: `Bearer ${bearers.get(machine) ?? ""}`, "Content-Type": kind, Accept: kind, Prefer: "return=representation" };
      const answer = await fetch(`${origin}${path}`, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
      if (!answer.ok) throw new Error(`${machine}: ${method} ${path}: ${answer.status} ${await answer.text()}`);
      return (await answer.json()) as Record<string, unknown>;
    },
    async open(options) {
      const context = await browser.newContext({
        baseURL: origin,
        locale: "zh-CN",
        timezoneId: "America/New_York",
        viewport: { width: 1366, height: 768 },
        ...options,
      });
      // The bound only ends a wait for something that will never come, on however slow a machine.
      context.setDefaultTimeout(60_000);
      if (now !== undefined) await context.clock.setFixedTime(now);
      return { context, page: await context.newPage() };
    },
    async close() {
      await browser.close();
      server.kill();
      // Its folder is its own until it has ended.
      await over;
      await rm(data, { recursive: true, force: true });
    },
  };
}

/** How a window is opened. */
export interface View extends BrowserContextOptions {
  /** The institution whose hat is worn, of somebody who has several. */
  at?: string;
}

/** What the tests of a file play on. */
export interface Play {
  /** There as soon as the first test begins. */
  readonly stage: Stage;
  /**
   * A window of its own, with somebody signed in if one is named. It is closed after the test, which fails if anything
   * broke in its page that nobody caught.
   */
  window(login?: string, view?: View): Promise<Page>;
}

/** Raises a stage before the tests that stand here, and strikes it after them. */
export function play(raised: () => Promise<Stage> = raise): Play {
  let stage: Stage | undefined;
  const contexts: BrowserContext[] = [];
  const broken: Error[] = [];
  const there = (): Stage => {
    if (stage === undefined) throw new Error("the stage is raised before the first test");
    return stage;
  };
  beforeAll(async () => {
    stage = await raised();
  });
  afterEach(async ({ task }) => {
    const open = contexts.splice(0);
    const pages = task.result?.state === "fail" ? open.flatMap((context) => context.pages()) : [];
    const name = `failed-${basename(task.file.name, ".test.ts")}-${task.id}`;
    // A page that shows nothing more must not hide why the test failed.
    await Promise.allSettled(pages.map((page, place) => page.screenshot({ path: join(pictures, `${name}-${place}.png`), fullPage: true })));
    await Promise.all(open.map((context) => context.close()));
    expect(broken.splice(0)).toEqual([]);
  });
  afterAll(() => stage?.close());
  return {
    get stage() {
      return there();
    },
    async window(login, { at, ...options } = {}) {
      const { page, context } = await there().open(options);
      contexts.push(context);
      context.on("weberror", (thrown) => broken.push(thrown.error()));
      if (login !== undefined) await be(page, login);
      if (at !== undefined) await wear(page, at);
      return page;
    },
  };
}

/** Leaves a picture, and holds what every screen must keep to. */
export async function keep(page: Page, name: string, { fullPage = false } = {}): Promise<void> {
  await page.screenshot({ path: join(pictures, `${name}.png`), animations: "disabled", fullPage });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(wide, `${name} must not be wider than the screen`).toBe(0);
  const text = await page.locator("body").innerText();
  expect(text, `${name} must have every place filled`).not.toMatch(/\{\w+\}|undefined|NaN/);
}

/** Asks the service from within a page, as whoever is signed in there. */
export function ask(page: Page, method: "GET" | "POST" | "PUT", path: string, body?: object): Promise<Record<string, unknown>> {
  return page.evaluate(
    async ([method, path, body]) => {
      const session = (await (await fetch("/auth/session")).json()) as { csrf: string };
      const kind = path.startsWith("/fhir") ? "application/fhir+json" : "application/json";
      const headers = { Accept: kind, "Content-Type": kind, Prefer: "return=representation", "X-CSRF-Token": session.csrf, "X-Purpose-Of-Use": "TREAT" };
      const answer = await fetch(path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
      if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
      return (await answer.json()) as Record<string, unknown>;
    },
    [method, path, body] as const,
  );
}

/** Signs in as one of the cast, with one press. */
export async function be(page: Page, login: string): Promise<void> {
  await page.goto("/");
  await page.locator(`[data-login=${login}]`).click();
  await page.locator(".top .who").waitFor();
}

/** Takes the hat of one of several posts. */
export async function wear(page: Page, institution: string): Promise<void> {
  await page.locator(".choose-post button", { hasText: institution }).click();
  await page.locator("#finder").waitFor();
}

function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env["QINGSHAN_CHROMIUM"] ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** Runs the program and gives what it printed. */
async function told(words: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, words);
  return stdout.trim();
}

/** Signs a machine in. */
async function bearer(origin: string, id: string, secret: string): Promise<string> {
  const body = new URLSearchParams({ grant_type: "client_credentials", client_id: id, client_secret: secret });
  const answer = await fetch(`${origin}/auth/token`, { method: "POST", body });
  const { access_token: token } = (await answer.json()) as { access_token?: string };
  if (token === undefined) throw new Error(`${id} may not enter: ${answer.status}`);
  return token;
}

/**
 * Where a server listens, once it does. It is given whichever port is free when it asks for one, so that several stages
 * never want the same.
 */
function address(server: ChildProcess): Promise<string> {
  if (server.stderr === null) throw new Error("its log is a pipe");
  const log = createInterface(server.stderr);
  return new Promise((found, failed) => {
    server.once("error", failed);
    log.once("close", () => failed(new Error(`${program} ended before it listened`)));
    log.on("line", (line) => {
      process.stderr.write(`${line}\n`);
      const [, origin] = /listening at (http:\/\/[\d.:]+)\/fhir/.exec(line) ?? [];
      if (origin !== undefined) found(origin);
    });
  });
}
