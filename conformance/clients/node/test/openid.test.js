// Signing in with the account of another institution: oidc-provider against a running `qingshan serve`.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { after, before, test } from "node:test";

import Provider from "oidc-provider";

import { BINARY, start } from "../server.js";

const SECRET = "a-secret-of-the-suite";
let institution;
let server;

before(async () => {
  // The two know each other's addresses only once both listen, so the institution begins to answer last.
  let answer;
  institution = createServer((request, response) => answer(request, response));
  await new Promise((listening) => institution.listen(0, "127.0.0.1", listening));
  const issuer = `http://127.0.0.1:${institution.address().port}`;
  server = await start((folder) => {
    const accounts = path.join(folder, "accounts.ndjson");
    const known = { login: "wen", name: "文", practitioner: "wen", elsewhere: [{ issuer, subject: "wen-of-county" }] };
    writeFileSync(accounts, JSON.stringify(known));
    execFileSync(BINARY, ["account", "import", "--data", folder, accounts]);
    const settings = path.join(folder, "settings.toml");
    const provider = { name: "county", title: "县医院", issuer, client_id: "qingshan", secret: SECRET };
    const lines = Object.entries(provider).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
    writeFileSync(settings, `[[oidc]]\n${lines.join("\n")}\n`);
    return ["--settings", settings];
  });
  const provider = new Provider(issuer, {
    clients: [
      { client_id: "qingshan", client_secret: SECRET, redirect_uris: [`${server.root}/auth/oidc/callback`] },
    ],
    claims: { openid: ["sub"], email: ["email", "email_verified"] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: "", email_verified: false }) }),
    pkce: { required: () => true },
    cookies: { keys: ["of the suite"] },
  });
  answer = provider.callback();
});

after(async () => {
  await server?.stop();
  institution?.close();
});

/** A browser that keeps cookies by host and goes where it is sent one step at a time. */
class Browser {
  #cookies = new Map();

  async go(address, form) {
    const { host } = new URL(address);
    const kept = this.#cookies.get(host) ?? new Map();
    this.#cookies.set(host, kept);
    const response = await fetch(address, {
      method: form ? "POST" : "GET",
      body: form && new URLSearchParams(form),
      headers: { cookie: [...kept].map(([name, value]) => `${name}=${value}`).join("; ") },
      redirect: "manual",
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [name, value] = cookie.split(";")[0].split(/=(.*)/);
      kept.set(name, value);
    }
    const to = response.headers.get("location");
    return { response, to: to && new URL(to, address).href };
  }

  /** Follows redirects until a page is shown, or the way back is at hand. */
  async follow(address) {
    for (let at = address; ; ) {
      const { response, to } = await this.go(at);
      if (!to || to.includes("/auth/oidc/callback")) return { response, to, at };
      at = to;
    }
  }

  /** Signs in at the institution under a name, and returns the way back. */
  async signInElsewhere(begin, login) {
    let step = await this.follow(begin);
    for (const form of [{ prompt: "login", login, password: "any" }, { prompt: "consent" }]) {
      if (step.to?.includes("/auth/oidc/callback")) break;
      const { to } = await this.go(step.at, form);
      step = await this.follow(to);
    }
    return step.to;
  }
}

test("somebody with an account elsewhere is signed in and taken where they wanted to go", async () => {
  const offered = await (await fetch(`${server.root}/auth/oidc`)).json();
  assert.deepEqual(offered, { providers: [{ name: "county", title: "县医院" }] });
  const browser = new Browser();
  const back = await browser.signInElsewhere(`${server.root}/auth/oidc/county/start?to=/settings`, "wen-of-county");
  assert.equal(new URL((await browser.go(back)).to).pathname, "/settings");
  const session = await (await browser.go(`${server.root}/auth/session`)).response.json();
  assert.equal(session.account, "wen");
});

test("somebody nobody knows here is not signed in", async () => {
  const browser = new Browser();
  const back = await browser.signInElsewhere(`${server.root}/auth/oidc/county/start`, "stranger-of-county");
  assert.equal(new URL((await browser.go(back)).to).search, "?sign-in=refused");
  assert.equal((await browser.go(`${server.root}/auth/session`)).response.status, 401);
});

test("the way back is good for the browser that went, and once", async () => {
  const browser = new Browser();
  const back = await browser.signInElsewhere(`${server.root}/auth/oidc/county/start`, "wen-of-county");
  const another = new Browser();
  assert.equal(new URL((await another.go(back)).to).search, "?sign-in=refused");
  assert.equal(new URL((await browser.go(back)).to).search, "?sign-in=refused");
});

test("nobody is sent to another host afterwards", async () => {
  const browser = new Browser();
  const begin = `${server.root}/auth/oidc/county/start?to=${encodeURIComponent("//evil.example/")}`;
  const back = await browser.signInElsewhere(begin, "wen-of-county");
  assert.equal((await browser.go(back)).to, `${server.root}/`);
});
