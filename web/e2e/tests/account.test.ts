import { createHmac } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { provider, type Provider } from "../src/provider";
import { ask, password, play, raise } from "../src/stage";

let elsewhere: Provider;
const { window } = play(async () => {
  elsewhere = await provider("qingshan", ["gao-at-home", "stranger"]);
  const { issuer } = elsewhere;
  return raise([], {
    settings: `[[oidc]]\nname = "city"\ntitle = "示范市医院"\nissuer = "${issuer}"\nclient_id = "qingshan"\n`,
    accounts: [{ login: "gao-2", name: "高原", practitioner: "gao", elsewhere: [{ issuer, subject: "gao-at-home" }] }],
  });
});
afterAll(() => elsewhere?.close());

/** What an authenticator shows `later` steps of 30 seconds from now. <https://www.rfc-editor.org/rfc/rfc6238> */
function codeOf(secret: string, later = 0): string {
  const bits = [...secret].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0"));
  const bytes = bits.join("").match(/.{8}/g) ?? [];
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + later));
  const digest = createHmac("sha1", Buffer.from(bytes.map((byte) => Number.parseInt(byte, 2)))).update(counter).digest();
  const at = (digest.at(-1) ?? 0) & 15;
  return String((digest.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

async function signIn(page: Page, login: string): Promise<void> {
  await page.goto("/");
  await page.getByLabel("登录名").fill(login);
  await page.getByLabel("密码").fill(password);
  await page.getByRole("button", { name: "登录", exact: true }).click();
}

test("who has a second factor is let in by it alone, once for each code, until they give it up", async () => {
  const page = await window("he");
  await page.goto("/settings");
  const factor = page.locator("section.card").filter({ hasText: "二次验证" });
  await factor.getByLabel("当前密码").fill(password);
  await page.getByRole("button", { name: "开启二次验证" }).click();
  const secret = (await page.locator(".secret").innerText()).replaceAll(" ", "");
  const typed = page.getByLabel("动态验证码");
  await typed.fill(String((Number(codeOf(secret)) + 1) % 1_000_000).padStart(6, "0"));
  await page.getByRole("button", { name: "确认开启" }).click();
  await page.getByText("验证码不正确，请等下一组数字再试。").waitFor();
  const taken = codeOf(secret);
  await typed.fill(taken);
  await page.getByRole("button", { name: "确认开启" }).click();
  await page.getByText("已开启。").waitFor();

  const other = await window();
  await signIn(other, "he");
  await other.getByText("该账号开启了二次验证").waitFor();
  const enter = other.getByRole("button", { name: "登录", exact: true });
  await other.getByLabel("动态验证码").fill(taken);
  await enter.click();
  await other.getByText("登录名、密码或动态验证码不正确").waitFor();
  await other.getByLabel("动态验证码").fill(codeOf(secret, 1));
  await enter.click();
  await other.getByRole("heading", { name: "请更换密码" }).waitFor();

  await factor.getByLabel("当前密码").fill(password);
  await page.getByRole("button", { name: "关闭二次验证" }).click();
  await page.getByText("未开启。").waitFor();
});

test("whoever is known at another institution signs in there, and a stranger is told that they are not", async () => {
  const page = await window();
  await page.goto("/patients/shan");
  await page.getByRole("link", { name: "用示范市医院账号登录" }).click();
  await page.getByRole("link", { name: "stranger" }).click();
  await page.getByText("对方机构未认可，或账号未在本系统登记。").waitFor();
  await page.goto("/patients/shan");
  await page.getByRole("link", { name: "用示范市医院账号登录" }).click();
  await page.getByRole("link", { name: "gao-at-home" }).click();
  await page.locator(".top .who", { hasText: "高原" }).waitFor();
  expect(new URL(page.url()).pathname).toBe("/patients/shan");
});

test("two records that may be of one person are judged side by side, joined, and taken apart again", async () => {
  const page = await window("ma");
  const register = async (name: string, day: string, phone: string) => {
    const resource = {
      resourceType: "Patient",
      name: [{ text: name }],
      gender: "male",
      birthDate: day,
      telecom: [{ system: "phone", value: phone }],
      address: [{ text: "示范县城关镇柳树巷12号" }],
    };
    await ask(page, "POST", "/fhir/Patient", resource);
  };
  await register("常思远", "1971-03-08", "13900000077");
  await register("常思源", "1971-03-09", "13900000077");
  await page.goto("/people");
  const pair = page.locator(".pair").filter({ hasText: "常思远" });
  for (let tries = 0; (await pair.count()) === 0 && tries < 60; tries += 1) {
    await page.reload();
    await page.locator("h1").waitFor();
    await page.locator(".pair, .nothing").first().waitFor();
  }
  expect(await pair.innerText()).toContain("常思源");
  await pair.getByRole("button", { name: "是同一人", exact: true }).click();
  const joined = page.locator(".lines li").filter({ hasText: "常思远" });
  await joined.getByRole("button", { name: "并入档案甲" }).click();
  await joined.getByText("已合并").waitFor();
  await joined.getByRole("button", { name: "撤销合并" }).click();
  await page.getByText("两份档案已分开").waitFor();
  expect(await joined.count()).toBe(0);
});
