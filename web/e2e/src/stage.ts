import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";

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
  for (const bundle of ["region.json", "people.json"]) await told(["import", "--data", data, beside(bundle)]);
  await told(["account", "import", "--data", data, beside("accounts.ndjson")]);
  const others = await beneath("others.ndjson", accounts.map((one) => `${JSON.stringify(one)}\n`).join(""));
  await told(["account", "import", "--data", data, others]);
  for (const words of before) await told([...words, "--data", data]);
  const secrets = new Map<string, string>();
  for (const id of machines) secrets.set(id, await told(["client", "add", "--id", id, "--scope", "system/*.cruds", "--data", data]));
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const settled = ["--settings", await beneath("settings.toml", settings)];
  const stepped = clock === undefined ? [] : ["--stepped-clock", new Date(clock).toISOString()];
  const server = spawn(program, [...settled, "serve", "--data", data, "--listen", `127.0.0.1:${port}`, ...stepped], {
    env: { ...process.env, QINGSHAN__PORTAL__DIRECTORY: portal, QINGSHAN__SIGN_IN__DEMO: "true" },
    stdio: [clock === undefined ? "ignore" : "pipe", clock === undefined ? "ignore" : "pipe", "inherit"],
  });
  await answers(origin, server);
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
      context.setDefaultTimeout(30_000);
      if (now !== undefined) await context.clock.setFixedTime(now);
      return { context, page: await context.newPage() };
    },
    async close() {
      await browser.close();
      server.kill();
      await rm(data, { recursive: true, force: true });
    },
  };
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

function freePort(): Promise<number> {
  return new Promise((found, failed) => {
    const probe = createServer().once("error", failed);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => found(port));
    });
  });
}

/** Waits until the server answers, or ends. */
async function answers(origin: string, server: ChildProcess): Promise<void> {
  let hasEnded = false;
  server.once("exit", () => (hasEnded = true));
  server.once("error", () => (hasEnded = true));
  for (;;) {
    if (hasEnded) throw new Error(`${program} ended before it answered`);
    const answer = await fetch(`${origin}/health`).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((again) => setTimeout(again, 50));
  }
}
