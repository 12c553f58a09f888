import type { AuditEvent, Parameters, Session, Task } from "@qingshan/client";
import { expect, test } from "vitest";
import { purposeOf, screensOf } from "../src/duties";
import { closing, decisionOf } from "../src/mine/consent";
import { lookOf, visitsOf } from "../src/patients/looked";
import { relationsOf } from "../src/patients/relation";
import { cardOf, grow, type Burst } from "../src/scan";
import { answered, isSame, pairOf } from "../src/work/review";

const worn = (...duties: string[]): Session => ({
  account: "a",
  name: "A",
  posts: [{ role: "r", organization: "o", organizationName: "O", duties }],
  post: "r",
  csrf: "c",
  idleSeconds: 900,
  expires: "2026-01-01",
  demo: false,
  totp: false,
});
const lay: Session = { ...worn(), posts: [], patients: { own: ["p"], charges: [] } };
delete lay.post;

test("each duty sees the screens it works with, and a resident only their own", () => {
  expect(screensOf(worn("doctor"))).toEqual(["find", "work", "board", "register", "sessions", "protocols", "consortium"]);
  expect(screensOf(worn("referral-officer"))[0]).toBe("work");
  expect(screensOf(worn("registrar"))).toEqual(["find", "work", "register", "people", "owed", "sessions", "consortium"]);
  expect(screensOf(worn("privacy-officer"))[0]).toBe("emergencies");
  expect(screensOf(worn("system-admin"))).toEqual(["consortium", "sources"]);
  expect(screensOf(lay)).toEqual(["mine", "sessions"]);
});

test("the purpose of use follows the hat", () => {
  expect(purposeOf(worn("nurse"))).toBe("TREAT");
  expect(purposeOf(worn("registrar"))).toBe("HPAYMT");
  expect(purposeOf(worn("privacy-officer"))).toBe("HOPERAT");
  expect(purposeOf(lay)).toBe("PATRQT");
});

const typed = (text: string, between: number): Burst | undefined =>
  [...text].reduce<Burst | undefined>((burst, key, place) => grow(burst, key, place * between), undefined);

test("a card reader is told from a person by its speed", () => {
  expect(cardOf(typed("HC-0001", 5), 6 * 5 + 5)).toBe("HC-0001");
  expect(cardOf(typed("HC-0001", 120), 6 * 120 + 120)).toBeUndefined();
  expect(cardOf(typed("ab", 5), 10)).toBeUndefined();
  expect(cardOf(typed("HC-0001", 5), 2_000)).toBeUndefined();
});

const look = (recorded: string, who: string, relation = "treats"): AuditEvent => ({
  resourceType: "AuditEvent",
  type: { code: "rest" },
  subtype: [{ code: "read" }],
  recorded,
  purposeOfEvent: [{ coding: [{ code: "TREAT" }] }],
  agent: [
    {
      who: { display: who },
      role: [
        { coding: [{ system: "https://qingshan.dev/fhir/CodeSystem/duty", code: "nurse" }] },
        { coding: [{ system: "https://qingshan.dev/fhir/CodeSystem/relation", code: relation }] },
      ],
    },
    { who: { display: "示范县医院" } },
  ],
});

test("one person's looks of one day are one line, and an emergency stands by itself", () => {
  const looks = [
    look("2026-03-01T09:00:00+08:00", "林静"),
    look("2026-03-01T09:30:00+08:00", "林静"),
    look("2026-03-01T10:00:00+08:00", "林静", "emergency"),
    look("2026-02-28T09:00:00+08:00", "林静"),
  ].map(lookOf);
  expect(looks[0]).toMatchObject({ who: "林静", where: "示范县医院", duties: ["nurse"], act: "read", purpose: "TREAT", relation: "treats" });
  const visits = visitsOf(looks.filter((one) => one !== undefined));
  expect(visits.map(({ times, isEmergency }) => [times, isEmergency])).toEqual([
    [1, true],
    [2, false],
    [1, false],
  ]);
  expect(visits[1]?.relations).toEqual(["treats"]);
});

test("who made the relation by which they were let in is told apart from who had one", () => {
  const [made, read] = [look("2026-03-01T09:00:00+08:00", "林静"), look("2026-03-01T09:01:00+08:00", "林静")];
  made.agent?.[0]?.role?.push({ coding: [{ system: "https://qingshan.dev/fhir/CodeSystem/relation", code: "self-made" }] });
  expect(lookOf(made)).toMatchObject({ relation: "treats", isSelfMade: true });
  expect(lookOf(read)).toMatchObject({ relation: "treats", isSelfMade: false });
  const visits = visitsOf([made, read].map(lookOf).filter((one) => one !== undefined));
  expect(visits).toHaveLength(1);
  expect(visits[0]).toMatchObject({ isSelfMade: true, relations: ["treats"] });
});

test("the platform and a person's own look are not told as a post's", () => {
  const by = (reference: string) => lookOf({ ...look("2026-03-01T09:00:00+08:00", "某"), agent: [{ who: { reference } }] });
  expect(by("Device/qingshan")?.as).toBe("platform");
  expect(by("Patient/p")?.as).toBe("lay");
  expect(by("RelatedPerson/r")?.as).toBe("lay");
  expect(by("Practitioner/p")?.as).toBe("post");
});

test("a system is told as one, with whose it is", () => {
  const type = { coding: [{ code: "110150" }] };
  const of = (...others: { who: { display: string } }[]) =>
    lookOf({ ...look("2026-03-01T09:00:00+08:00", "某"), agent: [{ type, who: { identifier: { value: "lab" } } }, ...others] });
  expect(of({ who: { display: "示范县医院" } })).toMatchObject({ as: "machine", who: "lab", where: "示范县医院" });
  expect(of()).toMatchObject({ as: "machine", where: undefined });
});

const answer = (...parameter: NonNullable<Parameters["parameter"]>): Parameters => ({ resourceType: "Parameters", parameter });

test("a closed record says what would open it", () => {
  const closed = relationsOf(
    answer(
      { name: "closed", valueBoolean: true },
      { name: "refused", valueBoolean: false },
      { name: "opened-by", valueCode: "treats" },
      { name: "opened-by", valueCode: "emergency" },
      { name: "emergency", valueBoolean: true },
    ),
  );
  expect(closed).toMatchObject({ isClosed: true, isRefused: false, mayBreakGlass: true, openedBy: ["treats"] });
  expect(closed.emergencyUntil).toBeUndefined();
});

test("an emergency access ends when it says", () => {
  const open = relationsOf(
    answer(
      {
        name: "relation",
        part: [
          { name: "code", valueCode: "emergency" },
          { name: "until", valueInstant: "2026-03-01T12:00:00+08:00" },
        ],
      },
      { name: "closed", valueBoolean: false },
    ),
  );
  expect(open.emergencyUntil).toBe(Date.parse("2026-03-01T12:00:00+08:00"));
});

const review = (code: string) => ({ coding: [{ system: "https://qingshan.dev/fhir/CodeSystem/person-review", code }] });

test("a doubtful pair names both records, and the answer to it is an output", () => {
  const task: Task = {
    resourceType: "Task",
    status: "requested",
    intent: "order",
    focus: { reference: "Patient/1" },
    input: [
      { type: review("other"), valueReference: { reference: "Patient/2" } },
      { type: review("probability"), valueDecimal: 0.81 },
      { type: review("name"), valueCoding: { system: "https://qingshan.dev/fhir/CodeSystem/agreement", code: "sound" } },
    ],
  };
  expect(pairOf(task)).toMatchObject({
    left: "1",
    right: "2",
    probability: 0.81,
    findings: [{ field: "name", level: "sound" }],
  });
  expect(pairOf({ ...task, input: [] })).toBeUndefined();
  const done = answered(task, "same");
  expect(done).toMatchObject({ status: "completed", output: [{ type: review("decision"), valueCode: "same" }] });
  expect(isSame(done)).toBe(true);
  expect(isSame(answered(task, "different"))).toBe(false);
});

test.each(["Organization/o", "RelatedPerson/r"])("closing a record to %s is a denial that names it", (whom) => {
  const decision = decisionOf(closing("c", "p", whom, "2026-03-01T12:00:00Z"));
  expect(decision).toMatchObject({ isDenial: true, actors: [whom] });
  expect(decision.consent.patient).toEqual({ reference: "Patient/p" });
});
