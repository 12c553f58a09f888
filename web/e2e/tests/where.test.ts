import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { ask, pictures, play, raise } from "../src/stage";

let folder: string;

const CODES = "https://qingshan.dev/fhir/CodeSystem";
const SHAPES = "https://qingshan.dev/fhir/StructureDefinition";
const coded = (system: string, code: string) => ({ coding: [{ system: `${CODES}/${system}`, code }] });

/** A centre that is certified and open as of now. */
function centre(at: string, pathway: string, name: string, level: string | undefined, has: string[], dnt?: number): object {
  const quarter = { start: "2026-01-01", end: new Date(Date.now() - 86_400_000).toISOString().slice(0, 10) };
  return {
    resourceType: "HealthcareService",
    id: `${at}-${pathway}`,
    active: true,
    name,
    extension: [
      { url: `${SHAPES}/centre-certified-until`, valueDate: "2099-12-31" },
      { url: `${SHAPES}/centre-live`, extension: [{ url: "status", valueCode: "open" }, { url: "said", valueInstant: new Date().toISOString() }] },
      ...(dnt === undefined ? [] : [{ url: `${SHAPES}/centre-figure`, extension: [{ url: "code", valueCode: "dnt" }, { url: "value", valueDecimal: dnt }, { url: "quarter", valuePeriod: quarter }] }]),
    ],
    providedBy: { reference: `Organization/${at}` },
    location: [{ reference: `Location/site-${at}` }],
    category: [coded("service-category", "emergency-centre")],
    type: [coded("emergency-pathway", pathway)],
    characteristic: [...(level === undefined ? [] : [coded("centre-level", level)]), ...has.map((one) => coded("centre-capability", one))],
    telecom: [{ system: "phone", value: "0730-5550100" }],
  };
}

const site = (at: string, longitude: number) => ({
  resourceType: "Location",
  id: `site-${at}`,
  status: "active",
  name: "本部",
  position: { longitude, latitude: 28.4 },
  managingOrganization: { reference: `Organization/${at}` },
});

const ROADS = `<osm version="0.6"><node id="1" lat="28.4" lon="113.2"/><node id="2" lat="28.41" lon="113.3"/><node id="3" lat="28.4" lon="113.4"/>
<way id="1"><nd ref="1"/><nd ref="2"/><nd ref="3"/><tag k="highway" v="primary"/></way></osm>`;

const { window } = play(async () => {
  folder = await mkdtemp(join(tmpdir(), "qingshan-where-"));
  const rows = [
    site("county", 113.2),
    site("city", 113.4),
    centre("county", "emergency", "急诊科", undefined, ["resuscitation"]),
    centre("county", "stroke", "防治卒中中心", "prevention", ["ct", "ivt"], 70),
    centre("city", "stroke", "高级卒中中心", "advanced", ["ct", "ivt", "evt"], 35),
  ];
  const [registry, roads] = [join(folder, "registry.ndjson"), join(folder, "roads.osm")];
  await writeFile(registry, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  await writeFile(roads, ROADS);
  return raise([["import", registry]], { settings: `[routing]\nroads = ${JSON.stringify(roads)}\n` });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("the tablet recommends a hospital, says why not elsewhere, and sends that with the warning", async () => {
  const page = await window("lu", { viewport: { width: 1280, height: 800 }, hasTouch: true, permissions: ["geolocation"], geolocation: { longitude: 113.28, latitude: 28.405 } });
  await page.goto("/ambulance");
  await page.getByRole("button", { name: "卒中", exact: true }).click();
  await page.getByText("建议：示范市医院").waitFor();
  await page.locator(".ambulance-route").click();
  await page.getByRole("button", { name: "疑大血管闭塞（LAMS≥4）" }).click();
  await page.getByRole("button", { name: "60 分钟前", exact: true }).click();
  await page.getByText("绕行直送取栓中心").first().waitFor();
  await page.screenshot({ path: join(pictures, "where-tablet.png") });
  expect(await page.locator(".routing-place.is-chosen").innerText()).toContain("示范市医院");
  // The family wants the near one: what that costs stands beside it, and goes along.
  await page.locator(".routing-place", { hasText: "示范县医院" }).click();
  await page.getByText(/患者选择示范县医院/).first().waitFor();
  await page.locator(".ambulance-routing header button").click();
  await page.getByRole("button", { name: "女", exact: true }).click();
  await page.getByRole("button", { name: /^发出预警：10 分钟/ }).click();
  await page.locator(".ambulance-stages .is-reached").nth(1).waitFor();
  const sent = await page.evaluate(
    () =>
      new Promise<string>((done) => {
        const request = indexedDB.open("qingshan.ambulance");
        request.onsuccess = () => {
          const all = request.result.transaction("drives").objectStore("drives").getAll();
          all.onsuccess = () => done(JSON.stringify(all.result));
        };
      }),
  );
  expect(sent).toContain("患者选择示范县医院");
  // The vehicle has said where it is before the tablet is put away.
  await page.locator(".ambulance-eta").getByRole("button", { name: /^改用定位/ }).waitFor();
});

test("the desk reads line by line why somebody comes, and a hospital to divert to is chosen by its name with the reasons against the others", async () => {
  const doctor = await window("wu", { at: "示范县医院" });
  await doctor.goto("/board");
  await doctor.locator(".board-link").first().click();
  await doctor.locator(".routing-sent li", { hasText: "患者选择示范县医院" }).waitFor();
  expect(await doctor.locator(".routing-sent li").count()).toBeGreaterThan(1);
  await doctor.screenshot({ path: join(pictures, "where-case.png"), fullPage: true });
  const run = new URL(doctor.url()).pathname.split("/").at(-1) ?? "";
  const taskOf = async (code: string) => {
    const { steps } = (await ask(doctor, "GET", `/runs/${run}`)) as unknown as { steps: { code: string; task?: string }[] };
    return steps.find((step) => step.code === code)?.task ?? "";
  };
  await ask(doctor, "POST", `/runs/${run}/acts`, { deed: "complete", step: "answer", n: 1, outcome: "cannot", reason: { code: "machine" } });
  await doctor.goto(`/tasks/${await taskOf("arbitrate")}`);
  await doctor.getByRole("button", { name: "改送其他医院" }).click();
  await doctor.getByRole("button", { name: "按救治能力、路程和实时状态推荐" }).click();
  // Where they are is what the vehicle said last; the desk itself tells no place.
  await doctor.getByText("以救护车最后位置计算").waitFor();
  await doctor.locator(".routing-answer .routing-place", { hasText: "示范市医院" }).waitFor();
  await doctor.screenshot({ path: join(pictures, "where-divert.png"), fullPage: true });
  await doctor.locator(".routing-answer button.routing-place", { hasText: "示范市医院" }).click();
  await doctor.locator(".form-select", { hasText: "示范市医院" }).waitFor();
  expect(await doctor.locator("main").innerText()).not.toMatch(/Organization\//);
});

test("when they arrive is worked out from where the vehicle is, unless the crew says otherwise, and everybody sees which it is", async () => {
  const tablet = { viewport: { width: 1280, height: 800 }, hasTouch: true, permissions: ["geolocation"], geolocation: { longitude: 113.29, latitude: 28.405 } };
  const page = await window("lu", tablet);
  await page.goto("/ambulance");
  await page.getByRole("button", { name: "卒中", exact: true }).click();
  await page.getByRole("button", { name: "男", exact: true }).click();
  await page.locator(".ambulance-to button", { hasText: "示范县医院" }).click();
  const send = page.getByRole("button", { name: /^发出预警：按定位约 \d+ 分钟后到示范县医院/ });
  await send.getByText("按路网推算").waitFor();
  await page.screenshot({ path: join(pictures, "arrival-send.png") });
  await send.click();
  const arrival = page.locator(".ambulance-eta");
  await arrival.getByText(/^按路网推算 · .+前的位置$/).waitFor();
  await page.screenshot({ path: join(pictures, "arrival-reckoned.png") });
  await arrival.getByRole("button", { name: "30 分钟" }).click();
  await arrival.getByText(/^车组填报 · /).waitFor();
  await page.screenshot({ path: join(pictures, "arrival-own.png") });
  const doctor = await window("wu", { at: "示范县医院" });
  await doctor.goto("/board");
  const row = doctor.locator(".board-row", { has: doctor.locator(".board-told", { hasText: /按路网推算 \d\d:\d\d/ }) });
  await row.locator(".board-told", { hasText: /前报/ }).waitFor();
  await doctor.screenshot({ path: join(pictures, "arrival-board.png") });
  await row.locator(".board-link").click();
  await doctor.locator(".warning-position", { hasText: /按路网推算 .+ 到达/ }).waitFor();
  await doctor.screenshot({ path: join(pictures, "arrival-case.png") });
  await arrival.getByRole("button", { name: /^改用定位：\d\d:\d\d（按路网推算）$/ }).click();
  await arrival.getByText(/^按路网推算 · .+前的位置$/).waitFor();
  await doctor.goto("/board");
  await doctor.locator(".board-told", { hasText: /^按路网推算(位置|$)/ }).waitFor();
});

test("a vehicle that stops at the emergency department has arrived, and the case says that it knows it from the vehicle", async () => {
  const page = await window("lu", { viewport: { width: 1280, height: 800 }, hasTouch: true, permissions: ["geolocation"], geolocation: { longitude: 113.22, latitude: 28.402 } });
  await page.goto("/ambulance");
  await page.getByRole("button", { name: "卒中", exact: true }).click();
  await page.getByRole("button", { name: "男", exact: true }).click();
  await page.locator(".ambulance-to button", { hasText: "示范县医院" }).click();
  await page.getByRole("button", { name: /^发出预警：按定位约 \d+ 分钟后到示范县医院/ }).click();
  await page.locator(".ambulance-stages .is-reached", { hasText: "已送达" }).waitFor();
  const newest = await ask(page, "GET", `/fhir/Task?_tag=${CODES}/run|root&code=${CODES}/protocol|emergency&_sort=-authored-on&_count=1`);
  const { id, for: patient } = (newest["entry"] as { resource: { id: string; for: object } }[])[0]?.resource ?? { id: "" };
  const tell = async (secondsAgo: number, longitude: number) => {
    const part = (code: string, value: number) => ({ code: coded("observation", code), valueQuantity: { value, system: "http://unitsofmeasure.org", code: "deg" } });
    const effectiveDateTime = new Date(Date.now() - secondsAgo * 1_000).toISOString();
    const component = [part("latitude", 28.4), part("longitude", longitude)];
    await ask(page, "POST", "/fhir/Observation", { resourceType: "Observation", status: "final", code: coded("observation", "vehicle-position"), subject: patient, effectiveDateTime, component });
  };
  const doctor = await window("wu", { at: "示范县医院" });
  await doctor.goto(`/runs/${id}`);
  await doctor.locator(".run-head").waitFor();
  await tell(300, 113.25);
  await tell(40, 113.2004);
  await tell(12, 113.2003);
  const arrived = doctor.locator(".milestones li", { has: doctor.locator("strong", { hasText: /^到院$/ }) });
  await arrived.getByText("依据：车辆位置（驶入医院并停留）").waitFor();
  expect(await arrived.count()).toBe(1);
  await doctor.screenshot({ path: join(pictures, "arrival-door.png"), fullPage: true });
  // Nobody is asked on the tablet any more when they come.
  await page.locator(".ambulance-eta", { hasText: /已到院 \d\d:\d\d/ }).waitFor();
  await page.screenshot({ path: join(pictures, "arrival-tablet.png") });
});

test("who is on duty says that they take nobody, and the next one who asks is told so", async () => {
  const page = await window("wu", { at: "示范县医院" });
  await page.goto("/registry");
  const row = page.locator(".registry-row", { hasText: "防治卒中中心" });
  await row.getByRole("button", { name: "暂不接诊" }).click();
  await row.getByRole("button", { name: "CT故障" }).click();
  await row.getByRole("button", { name: "确认：暂不接诊" }).click();
  await row.locator(".registry-status", { hasText: "暂不接诊" }).waitFor();
  await page.screenshot({ path: join(pictures, "where-registry.png"), fullPage: true });
  expect(await page.locator(".registry-row", { hasText: "高级卒中中心" }).getByRole("button", { name: "接诊", exact: true }).count()).toBe(0);
});

test("the map is open to whoever has a browser, and says so when none is published", async () => {
  const page = await window(undefined, { viewport: { width: 390, height: 844 } });
  await page.goto("/map");
  await page.getByText("还没有发布急救地图").waitFor();
  await page.getByText("看一张脸").waitFor();
});
