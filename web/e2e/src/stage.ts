import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";

const root = new URL("../../..", import.meta.url).pathname;
const program = process.env["QINGSHAN_BINARY"] ?? join(root, "target/debug/qingshan");
const portal = join(root, "web/portal/dist");
const people = new URL("../people.json", import.meta.url).pathname;

/** Where pictures of the screens are left. */
export const pictures = process.env["QINGSHAN_PICTURES"] ?? join(tmpdir(), "qingshan-pictures");

/** Somebody who may sign in. */
export interface Account {
  id: string;
  secret: string;
}

/** A running record with a few invented people, and a browser before it. */
export interface Stage {
  origin: string;
  /** May do everything. */
  nurse: Account;
  /** May read who people are, and nothing of their health. */
  clerk: Account;
  /** Opens a window of its own: own session, own line. */
  open(options?: BrowserContextOptions): Promise<{ page: Page; context: BrowserContext }>;
  close(): Promise<void>;
}

/** Starts the program on a fresh folder, and a browser. */
export async function raise(): Promise<Stage> {
  const data = await mkdtemp(join(tmpdir(), "qingshan-e2e-"));
  await mkdir(pictures, { recursive: true });
  const account = async (id: string, scope: string): Promise<Account> => ({
    id,
    secret: await told(["client", "add", "--data", data, "--id", id, "--scope", scope]),
  });
  await told(["import", "--data", data, people]);
  const nurse = await account("ward-3", "system/*.cruds");
  const clerk = await account("front-desk", "system/Patient.cruds");
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const server = spawn(program, ["serve", "--data", data, "--listen", `127.0.0.1:${port}`], {
    env: { ...process.env, QINGSHAN__PORTAL__DIRECTORY: portal },
    stdio: ["ignore", "ignore", "inherit"],
  });
  await answers(origin, server);
  const browser = await launch();
  return {
    origin,
    nurse,
    clerk,
    async open(options) {
      const context = await browser.newContext({
        baseURL: origin,
        locale: "zh-CN",
        timezoneId: "America/New_York",
        viewport: { width: 1366, height: 768 },
        ...options,
      });
      // The bound only ends a wait for something that will never come, on however slow a machine.
      context.setDefaultTimeout(180_000);
      return { context, page: await context.newPage() };
    },
    async close() {
      await browser.close();
      server.kill();
      await rm(data, { recursive: true, force: true });
    },
  };
}

/** Signs in on the screen that asks for it. */
export async function signIn(page: Page, { id, secret }: Account): Promise<void> {
  await page.goto("/");
  await page.locator("input[autocomplete=username]").fill(id);
  await page.locator("input[autocomplete=current-password]").fill(secret);
  await page.locator("button[type=submit]").click();
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
