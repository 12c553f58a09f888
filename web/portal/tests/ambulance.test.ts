import { Failure, type Protocol, type RunView } from "@qingshan/client";
import { expect, test } from "vitest";
import { answered } from "../src/ambulance/answers";
import { deliver, type Record as Store } from "../src/ambulance/courier";
import { begin, done, isDone, measurement, scored, unsent, warningsOf, write, type Drive, type Paper } from "../src/ambulance/drive";
import { PULSE } from "../src/ambulance/measures";
import { FAST, GCS, isNotable, LAMS, RTS, rtsItems, scoreOf, totalOf } from "../src/ambulance/scores";
import { stagesOf } from "../src/ambulance/stages";
import { itemsIn } from "../src/views/ScoreSheet";
import english from "../src/strings/en.json";
import chinese from "../src/strings/zh-CN.json";

const words = (zh: string) => ({ zh });
const protocol: Protocol = {
  code: "rush",
  version: "1",
  title: words("rush"),
  focus: "Encounter",
  class: [{ code: "red", title: words("red"), priority: "stat" }],
  role: [
    { code: "crew", title: words("crew"), party: "institution", duties: ["paramedic"], optional: true },
    { code: "emergency", title: words("emergency"), party: "institution", duties: ["doctor"] },
    { code: "team", title: words("team"), party: "institution", otherwise: "emergency" },
  ],
  start: [
    { code: "door", by: "hand", duties: ["doctor"] },
    { code: "warning", by: "hand", duties: ["paramedic"] },
  ],
};

let number = 0;
const newId = () => `id-${(number += 1)}`;
const drive = (): Drive => {
  const [warning] = warningsOf([protocol], ["paramedic"]);
  if (warning === undefined) throw new Error("a paramedic may warn");
  const asked = {
    happening: { warning },
    duties: ["paramedic"],
    own: { reference: "PractitionerRole/lu", organization: "road" },
    destination: { reference: "Organization/county", display: "county" },
    who: { sex: "male" as const, age: 72, isDrill: false, minutes: 10 },
    name: "?",
    words: "?",
    account: "lu",
  };
  return begin(asked, Date.parse("2026-11-22T03:00:00Z"), newId);
};

/** A record that has each id once, and loses answers when it is told to. */
function store(fail: (what: string) => Failure | undefined = () => undefined) {
  const had = new Map<string, unknown>();
  const sent: string[] = [];
  const act = (id: string, what: unknown) => {
    sent.push(id);
    if (!had.has(id)) had.set(id, what);
    const failure = fail(id);
    return failure === undefined ? Promise.resolve() : Promise.reject(failure);
  };
  const record: Store = {
    create: (resource) => act(resource.id, resource).then(() => ({ id: `of-${resource.id}` })),
    start: (run) => act(run.id, run),
    run: () => Promise.resolve({ steps: [{ code: "depart", n: 3, state: had.has("depart 3") ? "done" : "ready" }] } as unknown as RunView),
    act: (_, told) => {
      const name = "step" in told ? `${told.step} ${told.n}` : "";
      if (had.has(name)) return Promise.reject(new Failure("conflict", 409));
      return act(name, told);
    },
    ecg: (patient, letter) => act(letter.id, { patient, ...letter }),
  };
  return { record, had, sent };
}

/** A device that keeps a drive. */
function device(first: Drive) {
  let kept = first;
  return {
    keep: (change: (old: Drive) => Drive) => Promise.resolve((kept = change(kept))),
    now: () => kept,
  };
}

const soon = () => Date.parse("2026-11-22T03:01:00Z");

test("a warning is a patient, a visit and a run, and goes to where the patient is brought", async () => {
  const one = drive();
  expect(one.letters.map(({ kind }) => kind)).toEqual(["patient", "visit", "run", "finding"]);
  const { keep, now } = device(one);
  const { record, had } = store();
  expect(await deliver(one, record, keep, soon)).toBe("sent");
  expect(unsent(now())).toEqual([]);
  const patient = `of-${one.letters[0]?.id}`;
  expect(had.get(one.id)).toMatchObject({
    start: "warning",
    class: "red",
    patient: `Patient/${patient}`,
    focus: `Encounter/of-${one.letters[1]?.id}`,
    roles: { crew: "Organization/road", emergency: "Organization/county" },
  });
  expect(had.get(one.letters[0]?.id ?? "")).toMatchObject({ birthDate: "1954", gender: "male" });
});

test("an answer that is lost leads to the same ids again and to nothing twice", async () => {
  const one = write(drive(), measurement(PULSE, 118, { id: "pulse", at: "2026-11-22T03:00:30Z" }), "2026-11-22T03:00:30Z");
  const { keep, now } = device(one);
  const lost = new Set<string>();
  const { record, had, sent } = store((id) => {
    if (lost.has(id)) return undefined;
    lost.add(id);
    return new Failure("offline", undefined);
  });
  for (let round = 0; round < 5; round += 1) expect(await deliver(now(), record, keep, soon)).toBe("waiting");
  expect(await deliver(now(), record, keep, soon)).toBe("sent");
  expect(had.size).toBe(5);
  expect(sent.length).toBe(10);
  expect(had.get("pulse")).toMatchObject({ subject: { reference: `Patient/${now().patient}` } });
});

test("a step whose answer was lost is done once, and not another time of it", async () => {
  const one = done(drive(), "depart", { id: "letter", at: "2026-11-22T03:00:30Z" });
  const { keep, now } = device(one);
  let isLost = false;
  const { record, sent } = store((id) => {
    if (id !== "depart 3" || isLost) return undefined;
    isLost = true;
    return new Failure("offline", undefined);
  });
  expect(await deliver(one, record, keep, soon)).toBe("waiting");
  expect(await deliver(now(), record, keep, soon)).toBe("sent");
  expect(sent.filter((id) => id === "depart 3")).toEqual(["depart 3"]);
  expect(now().letters.every((letter) => letter.sent !== undefined)).toBe(true);
});

test("what is refused is told and does not keep back what comes after it", async () => {
  const at = "2026-11-22T03:00:30Z";
  const bad = write(drive(), measurement(PULSE, 118, { id: "bad", at }), at);
  const one = write(bad, measurement(PULSE, 90, { id: "good", at }), at);
  const { keep, now } = device(one);
  const { record, had } = store((id) => (id === "bad" ? new Failure("invalid", 422) : undefined));
  expect(await deliver(one, record, keep, soon)).toBe("sent");
  expect(had.has("good")).toBe(true);
  expect(now().letters.find(({ id }) => id === "bad")?.refused).toBeDefined();
  expect(isDone({ ...now(), isOver: true })).toBe(false);
});

test("what the record stumbles over waits, and what comes behind it does not", async () => {
  const at = "2026-11-22T03:00:30Z";
  const first = write(drive(), measurement(PULSE, 118, { id: "stumbles", at }), at);
  const one = write(first, measurement(PULSE, 90, { id: "behind", at }), at);
  const { keep, now } = device(one);
  const { record, had } = store((id) => (id === "stumbles" ? new Failure("fault", 500) : undefined));
  expect(await deliver(one, record, keep, soon)).toBe("waiting");
  expect(had.has("behind")).toBe(true);
  expect(unsent(now()).map(({ id }) => id)).toEqual(["stumbles"]);
});

test("a drive is forgotten when the crew is done with it and everything is there, not before", async () => {
  const one = { ...drive(), isOver: true };
  expect(isDone(one)).toBe(false);
  const { keep, now } = device(one);
  await deliver(one, store().record, keep, soon);
  expect(isDone(now())).toBe(true);
  expect(isDone({ ...now(), isOver: false })).toBe(false);
});

test("a score has no total while one of its items is missing", () => {
  expect(totalOf(FAST, { "fast-face": 1, "fast-arm": 0 })).toBeUndefined();
  expect(totalOf(FAST, { "fast-face": 1, "fast-arm": 0, "fast-speech": 0 })).toBe(1);
  expect(totalOf(LAMS, { "lams-face": 1, "lams-arm": 2, "lams-grip": 2 })).toBe(5);
  expect(totalOf(GCS, { "gcs-eye": 1, "gcs-verbal": 1, "gcs-motor": 1 })).toBe(3);
  expect(totalOf(RTS, rtsItems({ gcs: 15, systolic: 120 }))).toBeUndefined();
  expect(isNotable(LAMS, 3)).toBe(false);
  expect(isNotable(LAMS, 4)).toBe(true);
  expect(isNotable(GCS, 8)).toBe(true);
  expect(isNotable(GCS, 9)).toBe(false);
});

test("the trauma score changes at the published values and at no others", () => {
  const gcs = (value: number) => rtsItems({ gcs: value })["rts-gcs"];
  expect([15, 13, 12, 9, 8, 6, 5, 4, 3].map(gcs)).toEqual([4, 4, 3, 3, 2, 2, 1, 1, 0]);
  const systolic = (value: number) => rtsItems({ systolic: value })["rts-systolic"];
  expect([90, 89, 76, 75, 50, 49, 1, 0].map(systolic)).toEqual([4, 3, 3, 2, 2, 1, 1, 0]);
  const breathing = (value: number) => rtsItems({ breathing: value })["rts-breathing"];
  expect([40, 30, 29, 10, 9, 6, 5, 1, 0].map(breathing)).toEqual([3, 3, 4, 4, 2, 2, 1, 1, 0]);
  expect(totalOf(RTS, rtsItems({ gcs: 15, systolic: 120, breathing: 16 }))).toBe(12);
  expect(totalOf(RTS, rtsItems({ gcs: 3, systolic: 0, breathing: 0 }))).toBe(0);
});

test("nothing of a warning is told as reached before the record has it", () => {
  expect(stagesOf(undefined, undefined, undefined).every(({ at }) => at === undefined)).toBe(true);
  const sent = stagesOf("2026-11-22T03:01:00Z", undefined, undefined);
  expect(sent.map(({ at }) => at !== undefined)).toEqual([true, true, false, false]);
});

test("a score is read as the score it is, with its items, and a total that somebody wrote down as what it is", () => {
  const taken = scored(GCS, { "gcs-eye": 3, "gcs-verbal": 4, "gcs-motor": 5 }, 12, { id: "s", at: "2026-05-04T08:00:00Z" });
  expect(scoreOf(taken)).toBe(GCS);
  expect(itemsIn(taken)).toEqual({ "gcs-eye": 3, "gcs-verbal": 4, "gcs-motor": 5 });
  const { component: _, ...bare } = taken;
  expect(scoreOf(bare)).toBeUndefined();
  expect(scoreOf(scored(LAMS, { "lams-face": 1, "lams-arm": 2, "lams-grip": 2 }, 5, { id: "l", at: "2026-05-04T08:00:00Z" }))).toBe(LAMS);
});

test("what the tablet answers carries the words that were asked, in both languages", () => {
  const _text = { extension: [{ url: "http://hl7.org/fhir/StructureDefinition/translation", extension: [{ url: "lang", valueCode: "en" }, { url: "content", valueString: "Expected" }] }] };
  const form = { resourceType: "Questionnaire", url: "https://qingshan.dev/fhir/Questionnaire/warning", version: "1", status: "active", item: [{ linkId: "case", type: "group", text: "预警", item: [{ linkId: "eta", type: "dateTime", text: "预计到达", _text }] }] };
  const { item } = answered({ form, lists: {} } as unknown as Paper, { eta: "2026-11-22T10:20:00Z" }, "2026-11-22T10:00:00Z");
  expect(item).toEqual([{ linkId: "case", text: "预警", item: [{ linkId: "eta", text: "预计到达", _text, answer: [{ valueDateTime: "2026-11-22T10:20:00Z" }] }] }]);
});

test("every answer of a score that is asked has its words in both languages, and those of the coma scale their points", () => {
  for (const strings of [chinese, english] as Partial<Record<string, string>>[]) {
    for (const score of [FAST, LAMS, GCS]) {
      for (const { code, points } of score.items) {
        for (const point of points) expect(strings[`ambulance.answer.${code}.${point}`], `${code}.${point}`).toMatch(score === GCS ? new RegExp(`^[EVM]${point} \\S`) : /\S/);
      }
    }
  }
});
