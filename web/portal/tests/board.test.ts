import { Failure, type Observation, type Patient, type Protocol, type RunClock, type RunStep, type RunView } from "@qingshan/client";
import { expect, test } from "vitest";
import { casesOf, count, heldStill, isDrill, nextOf, openClocks, pageOf, pathwaysOf, placeOf, roadsOf, shortened, sorted, teamOf, worstOf, type Watched } from "../src/board/board";
import { Watch, type Source } from "../src/board/watch";

const at = (minute: number) => new Date(Date.UTC(2026, 10, 22, 3, minute)).toISOString();
const ms = (minute: number) => Date.parse(at(minute));
const words = (zh: string) => ({ zh });

const clock = (code: string, to: string[], breach: number, rest: Partial<RunClock> = {}): RunClock => ({
  code,
  title: words(code),
  n: 1,
  from: "door",
  to,
  began: at(0),
  breach: at(breach),
  level: "running",
  ...rest,
});

const step = (code: string, state: RunStep["state"], rest: Partial<RunStep> = {}): RunStep => ({
  code,
  title: words(code),
  n: 1,
  task: code,
  state,
  requires: [],
  missing: [],
  outcomes: [],
  may: false,
  ...rest,
});

const run = (id: string, rest: Partial<RunView> = {}): RunView => ({
  id,
  protocol: { code: "rush", version: "1", title: words("rush") },
  patient: { reference: `Patient/${id}` },
  chain: `chain-${id}`,
  began: at(0),
  now: at(0),
  milestones: [],
  steps: [],
  clocks: [],
  summary: [],
  blocking: [],
  ...rest,
});

const patient = (id: string, rest: Partial<Patient> = {}): Patient => ({ resourceType: "Patient", id, birthDate: "1950-01-01", ...rest });
const watched = (view: RunView, who: Patient = patient(view.id)): Watched => ({ run: view, patient: who, readAt: 0 });
const one = (view: RunView, who?: Patient) => casesOf([watched(view, who)])[0] as ReturnType<typeof casesOf>[number];
const drill = (id: string) =>
  patient(id, { meta: { security: [{ system: "http://terminology.hl7.org/CodeSystem/v3-ActReason", code: "HTEST" }] } as Patient["meta"] & object });

const protocol: Protocol = {
  code: "rush",
  version: "1",
  title: words("rush"),
  milestone: ["door", "scan", "bloods", "needle"].map((code) => ({ code, title: words(code) })),
  step: [
    { code: "scan", title: words("scan"), who: "imaging", requires: ["door"], reach: ["scan"] },
    { code: "bloods", title: words("bloods"), who: "laboratory", requires: ["door"], reach: ["bloods"] },
    { code: "needle", title: words("needle"), who: "team", requires: ["scan", "bloods"], reach: ["needle"] },
  ],
};

test("what breaks first stands first, and a drill below everybody who is ill", () => {
  const late = one(run("late", { clocks: [clock("a", ["x"], 5)] }));
  const soon = one(run("soon", { clocks: [clock("a", ["x"], 30), clock("b", ["y"], 12)] }));
  const calm = one(run("calm"));
  const practice = one(run("practice", { clocks: [clock("a", ["x"], 1)] }), drill("practice"));
  const order = sorted([practice, calm, soon, late]).map(({ runs: [run] }) => run?.id);
  expect(order).toEqual(["late", "soon", "calm", "practice"]);
  expect(isDrill(practice)).toBe(true);
  expect(count([practice, calm, soon, late], ms(10))).toEqual({ all: 3, breach: 1, warn: 0, drills: 1 });
});

test("a row is as grave as the worst of its clocks, not as the first", () => {
  const view = run("a", { clocks: [clock("a", ["x"], 60), clock("b", ["y"], 20, { warn: at(8) })] });
  expect(worstOf([view], ms(10))).toBe("warn");
  expect(worstOf([view], ms(20))).toBe("breach");
  expect(worstOf([run("b")], ms(20))).toBeUndefined();
});

test("while somebody points at the board nobody moves, who has gone leaves a place, and who has come stands below", () => {
  const cases = ["new", "b", "a"].map((id) => one(run(id)));
  const chains = heldStill(["a", "gone", "b"].map((id) => one(run(id)).chain), cases).map((row) => ("gone" in row ? "gone" : row.runs[0]?.id));
  expect(chains).toEqual(["a", "gone", "b", "new"]);
});

test("what belongs together for one patient is one row, and two patients never are", () => {
  const case_ = run("case", { chain: "c", clocks: [clock("answer", ["x"], 40)] });
  const pathway = run("pathway", { chain: "c", patient: { reference: "Patient/case" }, parent: { run: "case", step: "s", n: 1 }, clocks: [clock("needle", ["y"], 20)] });
  const child = run("child", { chain: "c", patient: { reference: "Patient/child" } });
  const rows = casesOf([case_, pathway, child].map((view) => watched(view)));
  expect(rows.map(({ runs }) => runs.map(({ id }) => id))).toEqual([["pathway", "case"], ["child"]]);
  expect(openClocks(rows[0]?.runs ?? []).map(({ code }) => code)).toEqual(["needle", "answer"]);
  expect(pathwaysOf({ runs: [case_, pathway] }).map(({ id }) => id)).toEqual(["pathway"]);
});

test("what is next is what the most urgent clock hangs on, through everything that waits", () => {
  const steps = [
    step("scan", "ready", { since: at(1) }),
    step("bloods", "done"),
    step("needle", "waiting", { missing: ["scan"] }),
    step("answer", "ready", { since: at(0), acknowledgements: 2 }),
  ];
  const view = run("a", { steps, clocks: [clock("needle", ["needle"], 60)], blocking: ["answer"] });
  expect(nextOf(protocol, view).step?.code).toBe("scan");
  expect(nextOf(protocol, view).blocking.map(({ code }) => code)).toEqual(["scan"]);
  expect(nextOf(undefined, view).step?.code).toBe("answer");
});

test("a team counts those who answered once and never more than are wanted", () => {
  const acknowledged = [
    { by: "a", at: at(1) },
    { by: "b", at: at(2) },
    { by: "c", at: at(3) },
  ];
  const steps = [step("team", "ready", { acknowledgements: 2, acknowledged }), step("other", "ready", { acknowledgements: 3 })];
  expect(teamOf([run("a", { steps })])).toMatchObject({ answered: 2, wanted: 5 });
  expect(teamOf([run("a", { steps: [step("scan", "ready")] })])).toBeUndefined();
});

test("a patient is at the door by the milestone alone, and an expected time that does not read is none", () => {
  const door = { code: "door", title: words("door"), n: 1, at: at(3), recorded: at(4) };
  const eta = (value: string) => ({ summary: [{ code: "eta", title: words("eta"), value }] });
  expect(placeOf([run("a", { milestones: [door], ...eta(at(1)) })])).toEqual({ kind: "door", since: ms(3) });
  expect(placeOf([run("a", eta(at(9)))])).toEqual({ kind: "coming", at: ms(9) });
  expect(placeOf([run("a", eta("soon"))])).toEqual({ kind: "unknown" });
});

test("what is expected says when that was said, and whoever said it later is believed", () => {
  const eta = { summary: [{ code: "eta", title: words("eta"), value: at(30) }] };
  const told = (code: string, minute: number) => ({ code, title: words(code), n: 1, at: at(minute), recorded: at(minute) });
  const warned = run("a", { ...eta, milestones: [told("sent", 5), told("updated", 8)] });
  expect(placeOf([warned])).toEqual({ kind: "coming", at: ms(30), said: ms(8) });
  expect(placeOf([warned], { expected: { at: ms(40), said: ms(7) } })).toEqual({ kind: "coming", at: ms(30), said: ms(8) });
  expect(placeOf([warned], { expected: { at: ms(40), said: ms(12) } })).toEqual({ kind: "coming", at: ms(40), said: ms(12) });
  expect(placeOf([run("b", eta)], { expected: { at: ms(30), said: ms(3) } })).toEqual({ kind: "coming", at: ms(30), said: ms(3) });
});

test("who came by themselves is in the house and not on the way", () => {
  expect(placeOf([run("a", { status: "here", began: at(4) })])).toEqual({ kind: "here", since: ms(4) });
});

test("of each patient on the road the newest position and the newest expectation count", () => {
  const of = (patient: string, minute: number, rest: object): Observation =>
    ({ resourceType: "Observation", status: "final", code: {}, subject: { reference: patient }, effectiveDateTime: at(minute), ...rest }) as Observation;
  const side = (code: string, value: number) => ({ code: { coding: [{ code }] }, valueQuantity: { value } });
  const component = [side("latitude", 28.4), side("longitude", 113.2)];
  const roads = roadsOf([
    of("Patient/a", 2, { component }),
    of("Patient/a", 6, { component }),
    of("Patient/a", 4, { valueDateTime: at(20) }),
    of("Patient/b", 3, { valueDateTime: at(25) }),
  ]);
  expect(roads.get("Patient/a")).toEqual({ position: ms(6), expected: { at: ms(20), said: ms(4) } });
  expect(roads.get("Patient/b")).toEqual({ expected: { at: ms(25), said: ms(3) } });
});

test("on a wall a name is its family name and a star", () => {
  expect(shortened("张建国", "张")).toBe("张*");
  expect(shortened("欧阳明远", "欧阳")).toBe("欧阳*");
  expect(shortened("仇建安", "")).toBe("仇*");
});

test("pages hold everybody once", () => {
  const rows = [1, 2, 3, 4, 5];
  expect(pageOf(rows, 2, 0)).toEqual({ shown: [1, 2], page: 0, pages: 3 });
  expect(pageOf(rows, 2, 5)).toEqual({ shown: [5], page: 2, pages: 3 });
  expect(pageOf(rows, 2, -1).shown).toEqual([5]);
  expect(pageOf([], 2, 3)).toEqual({ shown: [], page: 0, pages: 1 });
});

/** A record of runs in memory that can be cut off, with the waits of the watch in hand. */
function stage() {
  const runs = new Map<string, RunView>();
  let isCut = false;
  const held: (() => void)[] = [];
  const guard = <T>(value: () => T) => (isCut ? Promise.reject(new Failure("offline", undefined)) : Promise.resolve(value()));
  const asked: string[] = [];
  const refused = new Set<string>();
  let slow = Promise.resolve();
  const source: Source = {
    list: () => {
      asked.push("list");
      const listed = guard(() => [...runs.values()].filter(({ end }) => end === undefined).map(({ id }) => id));
      return slow.then(() => listed);
    },
    run: (id) => {
      asked.push(id);
      return guard(() => {
        const found = runs.get(id);
        if (found === undefined) throw new Failure("missing", 404);
        if (refused.has(id)) throw new Failure("refused", 403);
        return { run: found, patient: patient(id) };
      });
    },
  };
  const watch = new Watch(source, {
    now: () => 1,
    after: (_, call) => {
      held.push(call);
      return () => {};
    },
  });
  return {
    runs,
    watch,
    asked,
    refused,
    /** Holds back what is listed from now on until it is called. */
    hold: () => {
      let go = () => {};
      slow = new Promise((done) => (go = done));
      return () => go();
    },
    cut: (is: boolean) => (isCut = is),
    wake: () => held.splice(0).forEach((call) => call()),
    settled: () => new Promise((done) => setTimeout(done, 0)),
  };
}

test("a watch reads everything once, and then what it is told of", async () => {
  const { runs, watch, settled } = stage();
  for (const id of ["a", "b", "c", "d", "e", "f"]) runs.set(id, run(id));
  watch.missed();
  await settled();
  expect([...watch.read().runs.keys()].sort()).toEqual(["a", "b", "c", "d", "e", "f"]);
  expect(watch.read().isWhole).toBe(true);
  runs.set("g", run("g"));
  watch.changed("g");
  runs.set("a", run("a", { end: "completed" }));
  watch.changed("a");
  await settled();
  expect(watch.read().runs.has("g")).toBe(true);
  expect(watch.read().runs.has("a")).toBe(false);
});

test("what changed and cannot be read stays, is marked as old, and is read once the line is back", async () => {
  const { runs, watch, cut, wake, settled } = stage();
  runs.set("a", run("a"));
  watch.missed();
  await settled();
  cut(true);
  runs.set("a", run("a", { class: { code: "red", title: words("red") } }));
  watch.changed("a");
  await settled();
  expect(watch.read().runs.get("a")).toMatchObject({ oldSince: 1 });
  expect(watch.read().runs.get("a")?.run.class).toBeUndefined();
  wake();
  await settled();
  expect(watch.read().runs.get("a")?.oldSince).toBe(1);
  cut(false);
  wake();
  await settled();
  expect(watch.read().runs.get("a")).toMatchObject({ oldSince: undefined, run: { class: { code: "red" } } });
});

test("after a gap what ended meanwhile is taken down and what began is there", async () => {
  const { runs, watch, settled } = stage();
  runs.set("a", run("a"));
  watch.missed();
  await settled();
  runs.set("a", run("a", { end: "cancelled" }));
  runs.set("b", run("b"));
  watch.missed();
  expect(watch.read().runs.get("a")?.oldSince).toBe(1);
  await settled();
  expect([...watch.read().runs.keys()]).toEqual(["b"]);
});

test("a run that one may no longer see is taken down", async () => {
  const { runs, watch, settled } = stage();
  runs.set("a", run("a"));
  watch.missed();
  await settled();
  runs.delete("a");
  watch.changed("a");
  await settled();
  expect(watch.read().runs.size).toBe(0);
});

test("a reader who is refused is shown nothing, neither at first nor of what was shown before", async () => {
  const { runs, refused, watch, settled } = stage();
  for (const id of ["a", "b"]) runs.set(id, run(id));
  refused.add("a");
  watch.missed();
  await settled();
  expect([...watch.read().runs.keys()]).toEqual(["b"]);
  refused.add("b");
  watch.changed("b");
  await settled();
  expect(watch.read().cases).toEqual([]);
});

test("a change is read by itself and changes its own row alone, a gap has everything read", async () => {
  const { runs, asked, watch, settled } = stage();
  for (const id of ["a", "b", "c"]) runs.set(id, run(id));
  watch.missed();
  await settled();
  asked.length = 0;
  const [a, b, c] = watch.read().cases;
  runs.set("b", run("b", { summary: [{ code: "eta", title: words("eta"), value: at(9) }] }));
  watch.changed("b");
  await settled();
  expect(asked).toEqual(["b"]);
  const after = watch.read().cases;
  expect([after[0] === a, after[1] === b, after[2] === c]).toEqual([true, false, true]);
  expect(after[1]?.runs[0]?.summary[0]?.value).toBe(at(9));
  asked.length = 0;
  watch.missed();
  await settled();
  expect(asked.sort()).toEqual(["a", "b", "c", "list"]);
});

test("what begins while it is listed what there is stays, though the list does not know of it", async () => {
  const { runs, watch, hold, settled } = stage();
  runs.set("a", run("a"));
  const go = hold();
  watch.missed();
  runs.set("new", run("new"));
  watch.changed("new");
  await settled();
  expect([...watch.read().runs.keys()]).toEqual(["new"]);
  go();
  await settled();
  expect([...watch.read().runs.keys()].sort()).toEqual(["a", "new"]);
});

test("what changes is read before what is read over again", async () => {
  const { runs, asked, watch, settled } = stage();
  const ids = ["a", "b", "c", "d", "e", "f", "g"];
  for (const id of ids) runs.set(id, run(id));
  watch.again(ids);
  watch.changed("g");
  await settled();
  expect(asked.indexOf("g")).toBeLessThan(asked.indexOf("e"));
});

test("what is worked out from where the vehicle is takes the place of the first guess, and what a crew says stands until it is taken back", () => {
  const eta = { summary: [{ code: "eta", title: words("eta"), value: at(30) }] };
  const told = (code: string, minute: number) => ({ code, title: words(code), n: 1, at: at(minute), recorded: at(minute) });
  const reckoned = { at: ms(26), said: ms(9), way: "road" as const };
  const guessed = run("a", { ...eta, milestones: [told("sent", 5)] });
  expect(placeOf([guessed], { reckoned })).toEqual({ kind: "coming", ...reckoned });
  // Said once more, it is what the crew knows; what was worked out stands beside it.
  const warned = run("a", { ...eta, milestones: [told("sent", 5), told("updated", 8)] });
  expect(placeOf([warned], { reckoned })).toEqual({ kind: "coming", at: ms(30), said: ms(8), beside: reckoned });
  expect(placeOf([guessed], { reckoned, expected: { at: ms(40), said: ms(6) } })).toEqual({ kind: "coming", at: ms(40), said: ms(6), beside: reckoned });
  expect(placeOf([warned], { reckoned, lifted: ms(8) + 1 })).toEqual({ kind: "coming", ...reckoned });
  expect(placeOf([warned], { reckoned, lifted: ms(7) })).toMatchObject({ said: ms(8) });
  expect(placeOf([run("b")], { reckoned })).toEqual({ kind: "coming", ...reckoned });
});

test("what was worked out is told apart from what a crew says, and what it took back is not said any more", () => {
  const of = (minute: number, rest: object): Observation =>
    ({ resourceType: "Observation", status: "final", code: {}, subject: { reference: "Patient/a" }, effectiveDateTime: at(minute), ...rest }) as Observation;
  const method = (code: string) => ({ method: { coding: [{ system: "https://qingshan.dev/fhir/CodeSystem/eta-method", code }] } });
  const roads = roadsOf([
    of(4, { valueDateTime: at(20), ...method("crew") }),
    of(5, { status: "cancelled", ...method("crew") }),
    of(6, { valueDateTime: at(18), ...method("straight-line") }),
  ]);
  expect(roads.get("Patient/a")).toEqual({ expected: { at: ms(20), said: ms(4) }, reckoned: { at: ms(18), said: ms(6), way: "line" }, lifted: ms(5) });
});
