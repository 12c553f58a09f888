import type { Patient, RunView } from "@qingshan/client";
import type { Watched } from "./board";

/** What a watch needs of the record. */
export interface Source {
  /** All open runs that belong on the board, each with whom it is for. */
  list(): Promise<{ id: string; patient: string | undefined }[]>;
  run(id: string): Promise<RunView>;
  patients(references: readonly string[]): Promise<Patient[]>;
}

/** How a watch stands. */
export interface Standing {
  runs: ReadonlyMap<string, Watched>;
  /** All open runs were read at least once. */
  isWhole: boolean;
  /** Why something could not be read; it is being tried again. */
  cause: unknown;
  /** How far this device's clock is behind the one of the record, in milliseconds. */
  behind: number;
}

/** What a watch needs from its surroundings. */
export interface Surroundings {
  now(): number;
  /** Calls back once after so many milliseconds; what it returns calls that off. */
  after(milliseconds: number, call: () => void): () => void;
}

const browser: Surroundings = {
  now: () => Date.now(),
  after: (milliseconds, call) => {
    const timer = setTimeout(call, milliseconds);
    return () => clearTimeout(timer);
  },
};

/** How many runs are read at once. */
const AT_ONCE = 4;
/** How many people are asked for in one search. */
const PEOPLE_AT_ONCE = 50;
const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 15_000;

/**
 * Keeps the runs of a board as the record has them. It is told which runs changed and when changes may have been missed,
 * and reads them; what could not be read stays as it was, is marked as old, and is tried again until it is read.
 */
export class Watch {
  private standing: Standing = { runs: new Map(), isWhole: false, cause: undefined, behind: 0 };
  private readonly listeners = new Set<() => void>();
  /** Runs to be read, those that changed first. */
  private readonly waiting = new Set<string>();
  private readonly reading = new Set<string>();
  private readonly people = new Map<string, Patient>();
  private mustList = false;
  private isListing = false;
  private wait = FIRST_WAIT;
  private callOff = () => {};
  private isResting = false;
  private isClosed = false;

  constructor(
    private readonly source: Source,
    private readonly surroundings: Surroundings = browser,
  ) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly read = (): Standing => this.standing;

  /** Says that a run changed. */
  changed(id: string): void {
    this.mark([id]);
    this.waiting.add(id);
    void this.work();
  }

  /** Says that anything may have changed: everything is listed and read anew. */
  missed(): void {
    this.mark([...this.standing.runs.keys()]);
    this.mustList = true;
    void this.work();
  }

  /** Reads some runs again though nobody says that they changed. */
  again(ids: readonly string[]): void {
    for (const id of ids) this.waiting.add(id);
    void this.work();
  }

  /** Begins, or begins again after it was closed. */
  open(): void {
    this.isClosed = false;
  }

  close(): void {
    this.isClosed = true;
    this.isResting = false;
    this.callOff();
  }

  private tell(part: Partial<Standing>): void {
    if (this.isClosed) return;
    this.standing = { ...this.standing, ...part };
    for (const listener of this.listeners) listener();
  }

  private mark(ids: readonly string[]): void {
    const runs = new Map(this.standing.runs);
    for (const id of ids) {
      const one = runs.get(id);
      if (one !== undefined) runs.set(id, { ...one, isOld: true });
    }
    this.tell({ runs });
  }

  private async work(): Promise<void> {
    if (this.isClosed) return;
    if (this.mustList && !this.isListing) {
      this.isListing = true;
      this.mustList = false;
      try {
        const listed = await this.source.list();
        const ids = listed.map(({ id }) => id);
        const open = new Set(ids);
        await this.meet(listed.map(({ patient }) => patient).filter((one) => one !== undefined));
        const runs = new Map([...this.standing.runs].filter(([id]) => open.has(id)));
        for (const id of ids) this.waiting.add(id);
        this.tell({ runs });
      } catch (cause) {
        this.mustList = true;
        this.fail(cause);
      } finally {
        this.isListing = false;
      }
      if (this.mustList) return;
    }
    while (this.reading.size < AT_ONCE) {
      // A run that is being read and changed meanwhile is read once more after that.
      const id = [...this.waiting].find((one) => !this.reading.has(one));
      if (id === undefined) break;
      this.waiting.delete(id);
      this.reading.add(id);
      void this.readOne(id);
    }
    if (this.waiting.size === 0 && this.reading.size === 0 && !this.isListing && !this.mustList) {
      this.wait = FIRST_WAIT;
      if (!this.standing.isWhole || this.standing.cause !== undefined) this.tell({ isWhole: true, cause: undefined });
    }
  }

  private async readOne(id: string): Promise<void> {
    try {
      const run = await this.source.run(id);
      const patient = await this.person(run.patient?.reference);
      const runs = new Map(this.standing.runs);
      const readAt = this.surroundings.now();
      if (run.end === undefined) runs.set(id, { run, patient, readAt, isOld: this.waiting.has(id) });
      else runs.delete(id);
      this.tell({ runs, behind: Date.parse(run.now) - readAt });
      this.wait = FIRST_WAIT;
      this.reading.delete(id);
      void this.work();
    } catch (cause) {
      this.reading.delete(id);
      if (isGone(cause)) {
        const runs = new Map(this.standing.runs);
        runs.delete(id);
        this.tell({ runs });
        void this.work();
        return;
      }
      this.mark([id]);
      this.waiting.add(id);
      this.fail(cause);
    }
  }

  /** Reads people who are not known yet, many at a time. */
  private async meet(references: readonly string[]): Promise<void> {
    const unknown = [...new Set(references)].filter((reference) => !this.people.has(reference));
    for (let first = 0; first < unknown.length; first += PEOPLE_AT_ONCE) {
      const found = await this.source.patients(unknown.slice(first, first + PEOPLE_AT_ONCE));
      // Who is not identified yet will be, so an unknown person is asked for again each time.
      for (const one of found) if (one.birthDate !== undefined) this.people.set(`Patient/${one.id ?? ""}`, one);
    }
  }

  private async person(reference: string | undefined): Promise<Patient | undefined> {
    if (reference === undefined) return undefined;
    const known = this.people.get(reference);
    if (known !== undefined) return known;
    const [found] = await this.source.patients([reference]);
    if (found?.birthDate !== undefined) this.people.set(reference, found);
    return found;
  }

  private fail(cause: unknown): void {
    this.tell({ cause });
    if (this.isResting) return;
    this.isResting = true;
    this.callOff = this.surroundings.after(this.wait, () => {
      this.isResting = false;
      void this.work();
    });
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
  }
}

/** Whether there is no such run any more for whoever asks. */
function isGone(cause: unknown): boolean {
  return typeof cause === "object" && cause !== null && "kind" in cause && (cause.kind === "missing" || cause.kind === "refused");
}
