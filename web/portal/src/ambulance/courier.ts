import { Failure, Runs, type Act, type Resource, type RunView, type Service } from "@qingshan/client";
import { fileOf } from "../ecg/file";
import type { Drive, Letter } from "./drive";

/** What a courier needs of the record. */
export interface Record {
  create(resource: Resource & { id: string }): Promise<{ id: string }>;
  start(begin: Extract<Letter, { kind: "run" }>["begin"]): Promise<void>;
  run(id: string): Promise<RunView>;
  act(id: string, act: Act): Promise<void>;
  ecg(patient: string, letter: Extract<Letter, { kind: "ecg" }>): Promise<void>;
}

/** The record as whoever is signed in writes to it. */
export function recordOf(service: Service): Record {
  const runs = new Runs(service);
  return {
    create: async (resource) => ({ id: (await service.createOnce(resource as never) as Resource).id ?? resource.id }),
    start: async (begin) => void (await runs.start(begin)),
    run: (id) => runs.run(id),
    act: async (id, act) => void (await runs.act(id, act)),
    ecg: async (patient, { file, isConfirmed }) => void (await service.operation(`Patient/${patient}/$ecg`, fileOf(file, isConfirmed))),
  };
}

/** What came of trying: everything is there, some could not be sent now, or nobody is signed in. */
export type Outcome = "sent" | "waiting" | "signedOut";

/**
 * Sends what a drive has waiting, in order, and keeps what became of each before it goes on. Whatever is sent again after
 * a line broke carries the same id, so the record has it once.
 *
 * @param keep makes a change durable on the device and gives the drive as it stands then; letters may have been added
 */
export async function deliver(
  drive: Drive,
  record: Record,
  keep: (change: (drive: Drive) => Drive) => Promise<Drive>,
  now: () => number,
): Promise<Outcome> {
  let current = drive;
  // What the record stumbles over waits for the next time; what comes behind it need not.
  const later = new Set<string>();
  for (;;) {
    const letter = current.letters.find(({ id, sent, refused }) => sent === undefined && refused === undefined && !later.has(id));
    if (letter === undefined) return later.size === 0 ? "sent" : "waiting";
    try {
      if (letter.kind === "act" && letter.n === undefined) {
        // Which time of the step it is is kept before it is sent, so that sending it again is not another time of it.
        const n = await timeOf(letter.step, current.id, record);
        current = await keep((old) => settle(old, letter.id, { n }));
        continue;
      }
      const made = await send(letter, current, record);
      const at = new Date(now()).toISOString();
      current = await keep((old) => ({ ...settle(old, letter.id, { sent: at }), ...made }));
    } catch (cause) {
      const kind = cause instanceof Failure ? cause.kind : "fault";
      if (kind === "signedOut") return "signedOut";
      const isNeeded = letter.kind === "patient" || letter.kind === "visit" || letter.kind === "run";
      if (kind === "fault" && !isNeeded) {
        later.add(letter.id);
        continue;
      }
      if (kind !== "invalid" && kind !== "refused" && kind !== "missing" && kind !== "conflict") return "waiting";
      const why = cause instanceof Error ? cause.message : "";
      current = await keep((old) => settle(old, letter.id, { refused: why || kind }));
      // Without its patient or its run nothing of a case can be sent; it waits for somebody to look.
      if (isNeeded) return "waiting";
    }
  }
}

/** Which time of a step is open; what nobody asks for any more is refused. */
async function timeOf(step: string, id: string, record: Record): Promise<number> {
  const run = await record.run(id);
  const open = run.steps.findLast(({ code, state }) => code === step && (state === "ready" || state === "taken"));
  if (open === undefined) throw new Failure("conflict", undefined);
  return open.n;
}

const settle = (drive: Drive, id: string, part: Partial<Letter> & { n?: number }): Drive => ({
  ...drive,
  letters: drive.letters.map((letter) => (letter.id === id ? ({ ...letter, ...part } as Letter) : letter)),
});

/** Sends one letter, and gives what the record said that later ones need. */
async function send(letter: Letter, drive: Drive, record: Record): Promise<Partial<Pick<Drive, "patient" | "visit">>> {
  const subject = { reference: `Patient/${drive.patient ?? ""}` };
  if (letter.kind === "patient") return { patient: (await record.create(letter.resource)).id };
  if (drive.patient === undefined) throw new Failure("invalid", undefined);
  if (letter.kind === "visit") return { visit: (await record.create({ ...letter.resource, subject } as Resource & { id: string })).id };
  if (letter.kind === "finding") {
    await record.create({ ...letter.resource, subject } as Resource & { id: string });
    return {};
  }
  if (letter.kind === "ecg") {
    await record.ecg(drive.patient, letter);
    return {};
  }
  if (letter.kind === "act") {
    const { step, n = 1, response } = letter;
    const about = response && { ...response, subject };
    try {
      await record.act(drive.id, { deed: "complete", step, n, at: letter.at, ...(about !== undefined && { response: about }) });
    } catch (cause) {
      if (!(cause instanceof Failure) || cause.kind !== "conflict") throw cause;
      // It was done already: by this very letter, whose answer was lost, or by somebody who was first. Either way it is.
      const run = await record.run(drive.id);
      if (!run.steps.some((one) => one.code === step && one.n === n && one.state === "done")) throw cause;
    }
    return {};
  }
  const focus = drive.visit === undefined ? {} : { focus: `Encounter/${drive.visit}` };
  const response = letter.begin.response && { ...letter.begin.response, subject };
  await record.start({ ...letter.begin, patient: subject.reference, ...focus, ...(response !== undefined && { response }) });
  return {};
}
