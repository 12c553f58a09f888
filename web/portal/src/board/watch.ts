import type { Patient, RunView } from "@qingshan/client";
import { casesOf, type Case, type Watched } from "./board";

/** What a watch needs of the record. */
export interface Source {
  /** The ids of all open runs that belong on the board. */
  list(): Promise<string[]>;
  /** A run and whom it is for, as far as one may know. */
  run(id: string): Promise<{ run: RunView; patient: Patient | undefined }>;
}

/** How a watch stands. */
export interface Standing {
  runs: ReadonlyMap<string, Watched>;
  /** The runs as cases; those that are as they were stay the same objects. */
  cases: readonly Case[];
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
const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 15_000;
/** By how much two answers may differ in how far a clock is behind because one took longer on its way, in milliseconds. */
const ROUGH = 250;

/**
 * Keeps the runs of a board as the record has them. It is told which runs changed and when changes may have been missed,
 * and reads them; what could not be read stays as it was, is marked as old, and is tried again until it is read.
 */
export class Watch {
  private standing: Standing = { runs: new Map(), cases: [], isWhole: false, cause: undefined, behind: 0 };
  private readonly listeners = new Set<() => void>();
  /** Runs to be read, in this order. */
  private waiting = new Set<string>();
  private readonly reading = new Set<string>();
  /** Runs that changed while it was being listed what there is: the list may not know of them. */
  private readonly meanwhile = new Set<string>();
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
    // What happens now is looked at before what is read over again.
    this.waiting = new Set([id, ...this.waiting]);
    if (this.isListing) this.meanwhile.add(id);
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

  private tell(part: Partial<Omit<Standing, "cases">>): void {
    if (this.isClosed) return;
    const cases = part.runs === undefined ? this.standing.cases : casesOf(part.runs.values(), this.standing.cases);
    this.standing = { ...this.standing, ...part, cases };
    for (const listener of this.listeners) listener();
  }

  private mark(ids: readonly string[]): void {
    const known = ids.flatMap((id) => this.standing.runs.get(id) ?? []).filter(({ oldSince }) => oldSince === undefined);
    if (known.length === 0) return;
    const runs = new Map(this.standing.runs);
    const oldSince = this.surroundings.now();
    for (const one of known) runs.set(one.run.id, { ...one, oldSince });
    this.tell({ runs });
  }

  private async work(): Promise<void> {
    if (this.isClosed) return;
    if (this.mustList && !this.isListing) {
      this.isListing = true;
      this.mustList = false;
      this.meanwhile.clear();
      try {
        const ids = await this.source.list();
        const open = new Set([...ids, ...this.meanwhile]);
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
      const { run, patient } = await this.source.run(id);
      const runs = new Map(this.standing.runs);
      const readAt = this.surroundings.now();
      // What happened while it was being read is read after this.
      const oldSince = this.waiting.has(id) ? (runs.get(id)?.oldSince ?? readAt) : undefined;
      if (run.end === undefined) runs.set(id, { run, patient, readAt, oldSince });
      else runs.delete(id);
      const behind = Date.parse(run.now) - readAt;
      this.tell({ runs, behind: Math.abs(behind - this.standing.behind) < ROUGH ? this.standing.behind : behind });
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
