import type { Patient, QuestionnaireResponse, When } from "./fhir";
import type { Service } from "./service";

/** What a person reads, in both languages; a protocol may leave one of them out. */
export interface Words {
  zh?: string;
  en?: string;
}

/** A code and what it is called. */
export interface Coded {
  code: string;
  title: Words;
}

/** Somebody a role is bound to. */
export interface Party {
  reference: string;
  display?: string;
}

/** How far a clock is: before its target, past it, near its limit, over it, held, or stopped in time, late or cut off. */
export type ClockLevel = "running" | "target" | "warn" | "breach" | "held" | "met" | "late" | "cut";

/** One clock of a run. Its points are moments, with what held it already counted in. */
export interface RunClock extends Coded {
  n: number;
  from: string;
  to: string[];
  began: When;
  stopped?: When;
  /** Since when it is held. */
  paused?: When;
  /** How long it was held before, in seconds. */
  held?: number;
  cut?: boolean;
  target?: When;
  warn?: When;
  breach?: When;
  /** Its limit is its institution's own, and where that comes from. */
  own?: { of: string; source?: string };
  level: ClockLevel;
  /** When it next comes to a point. */
  next?: When;
}

/** Something that has come about. */
export interface RunMilestone extends Coded {
  /** In words for the patient. */
  patient?: Words;
  n: number;
  at: When;
  recorded: When;
  source?: string;
  by?: string;
  reason?: string;
  /** With what name whoever corrected it signed. */
  signed?: string;
  /** When its source says that it came about, where that is later than the source was written. */
  said?: When;
  superseded?: boolean;
  /** It lies before one that should have come first. */
  early?: boolean;
}

export type StepState = "waiting" | "unknown" | "not-applicable" | "ready" | "taken" | "done" | "skipped" | "cancelled";

/** A way a step can end. */
export interface Outcome extends Coded {
  /** The list one of whose reasons must be given. */
  reasons?: string;
  /** The form that is filled in for it. */
  form?: string;
  /** How often it may still be chosen in this run; absent when any number of times. */
  left?: number;
}

/** A reason: a code of the list that is asked for, and free words besides. */
export interface Reason {
  code: string;
  text?: string;
}

/** One thing somebody does, each time it was asked for. */
export interface RunStep extends Coded {
  n: number;
  /** The id of its Task, once it was asked for. */
  task?: string;
  state: StepState;
  role?: Coded;
  party?: Party;
  duties?: string[];
  since?: When;
  ended?: When;
  outcome?: string;
  reason?: Reason;
  /** Who is at it or did it. */
  by?: string;
  /** A reference to the response to its form. */
  response?: string;
  /** The run it consists of. */
  run?: string;
  acknowledged?: { by: string; at: When }[];
  /** How many acknowledge before it is done. */
  acknowledgements?: number;
  /** Whether whoever is on call for its role is paged for it. */
  paged?: boolean;
  /** What must come about first: each one of several milestones. */
  requires: string[][];
  /** Those of them that have not. */
  missing: string[];
  optional?: boolean;
  /** The list of reasons for which it may be skipped. */
  skip?: string;
  form?: string;
  outcomes: Outcome[];
  /** Whether whoever asks may act on it. */
  may: boolean;
}

/** A run as a screen shows it. */
export interface RunView {
  id: string;
  protocol: Coded & { version: string };
  patient?: Party;
  focus?: string;
  /** The form it was started with, filled in. */
  response?: string;
  chain: string;
  parent?: { run: string; step: string; n: number };
  class?: Coded;
  /** How it ended. */
  end?: "completed" | "rejected" | "cancelled" | "failed";
  /** Its business status, a code. */
  status?: string;
  owner?: { role: string; title: Words; party?: Party };
  began: When;
  now: When;
  milestones: RunMilestone[];
  /** What has not come about and stands between here and the end. */
  ahead?: Coded[];
  steps: RunStep[];
  clocks: RunClock[];
  summary: (Coded & { value: string })[];
  /** What it wrote that has a name, such as a plan of care: the reference. */
  made?: (Coded & { reference: string })[];
  /** Why it began, where a criterion did that: `PROTOCOL.RULE`, and the entries of the record and the values that showed it. */
  grounds?: { rule: string; evidence: ({ resource: string } | { value: string })[] };
  /** How it can be taken back, for whoever may: the list one of whose reasons is given. */
  cancel?: { reasons?: string };
  /** The classes it can have instead, for whoever may say so. */
  regrade?: Coded[];
  /** The protocols under which it can go on instead, for whoever may say so: the milestones it keeps, and those it does not. */
  switch?: (Coded & { keeps: (Coded & { at: When })[]; leaves: Coded[] })[];
  /** The steps that hold the run up. */
  blocking: string[];
  /** What people and institutions that are named by reference are called. */
  names?: Record<string, string>;
}

/** A protocol as a list shows it. */
export interface ProtocolEntry extends Coded {
  version: string;
  purpose?: Words;
  starts: { by: "hand" | "event" | "schedule" | "protocol"; class?: string }[];
  mayStart: boolean;
  /** There are criteria by which the record suggests it. */
  suggests?: boolean;
}

/** A way to begin. */
export interface ProtocolStart {
  code?: string;
  title?: Words;
  by: "hand" | "event" | "schedule" | "protocol";
  duties?: string[];
  class?: string;
  reach?: string[];
  /** The form to be filled in. */
  form?: string;
  /** The activity that makes what the run is about. */
  make?: string;
}

/** One limit of a clock; spans are as they are written, such as `30 min`. */
export interface Limit {
  class?: string;
  target?: string;
  warn?: string;
  breach: string;
  source?: string;
}

/** A whole protocol, in the words of the text it is written in. */
export interface Protocol {
  code: string;
  version: string;
  title: Words;
  purpose?: Words;
  sources?: string[];
  focus?: string;
  class?: { code: string; title: Words; priority: string }[];
  role?: {
    code: string;
    title: Words;
    party: "institution" | "person" | "team" | "patient" | "system";
    duties?: string[];
    bind?: string;
    otherwise?: string;
    optional?: boolean;
    /** What somebody is on call for who answers in it. */
    call?: string;
  }[];
  start?: ProtocolStart[];
  /** How a run is taken back. */
  cancel?: { who?: string[]; reasons?: string; until?: string[]; reach?: string[] };
  /** What is told of a run once, as it begins; figures are told apart by those that are of a list. */
  trait?: { code: string; title: Words; list?: string; value: string }[];
  /** What conditions and forms look up in the record: a name, and the search behind it. */
  data?: { code: string; query: string }[];
  milestone?: {
    code: string;
    title: Words;
    patient?: Words;
    /** The fact of the record that says so. */
    fact?: { on: string };
    after?: string[];
    status?: string;
    owner?: string;
    ends?: NonNullable<RunView["end"]>;
    tell?: string[];
    begin?: { protocol: string }[];
    switch?: string;
  }[];
  step?: {
    code: string;
    title: Words;
    who: string;
    requires?: string[];
    again?: string[];
    until?: string[];
    when?: string;
    optional?: boolean;
    /** The classes of runs it is part of; absent means all. */
    classes?: string[];
    skip?: string;
    form?: string;
    fact?: { on: string };
    acknowledgements?: number;
    page?: boolean;
    protocol?: { protocol: string };
    automatic?: boolean;
    /** Milestones reached when somebody takes it on. */
    begins?: string[];
    reach?: string[];
    outcome?: (Coded & { reach?: string[]; reasons?: string; form?: string; most?: number })[];
  }[];
  clock?: {
    code: string;
    title: Words;
    from: string;
    to: string[];
    calendar?: string;
    pauses?: { from: string; to: string }[];
    limit?: Limit[];
    rung?: {
      at: "begin" | "target" | "warn" | "breach";
      plus?: string;
      tell?: string[];
      hand?: string;
      reach?: string[];
      classes?: string[];
    }[];
  }[];
  calendar?: { code: string; days: string[]; from: string; until: string }[];
  indicator?: (Coded & { kind: FigureKind; goal?: number; source?: string })[];
  summary?: (Coded & { value: string })[];
  /** What is written along with a run; some create a resource, others change one. */
  activity?: { code: string; create?: string }[];
  /** The forms it asks for. */
  forms?: Coded[];
  /** Its code lists. */
  lists?: { code: string; title?: Words; codes: Coded[] }[];
}

export type FigureKind = "count" | "share" | "ratio" | "median" | "p90";

/** An indicator over the runs of a period. */
export interface Figure extends Coded {
  kind: FigureKind;
  numerator?: number;
  denominator: number;
  /** A number, a percentage, or minutes; absent when there is nothing to count. */
  value?: number;
  goal?: number;
  /** The less of it the better. */
  less: boolean;
  /** Numerator and denominator are sums over runs and no numbers of them. */
  weighed?: boolean;
  unit?: string;
  /** The runs it is about, and those that count. */
  runs: string[];
  counted: string[];
  /** Of a share that asks for several things: each, with the runs that lack it. */
  needs?: (Coded & { lacking: string[] })[];
}

/** An indicator told apart by months and institutions. */
export interface FigureRow extends Coded {
  kind: FigureKind;
  unit: string;
  goal?: number;
  /** The less of it the better. */
  less: boolean;
  source?: string;
  /** The record counts some of it, so that runs alone do not stand behind it. */
  recorded: boolean;
  /** A cell for each group, and with null for all of that dimension. */
  cells: { at: (string | null)[]; numerator: number; denominator: number; value?: number }[];
}

/** Indicators told apart. */
export interface FigureTable {
  by: string[];
  /** The groups of each dimension, in order: months, references of institutions with their names, or values of a trait. */
  groups: { key: string; title?: string }[][];
  indicators: FigureRow[];
}

/** A document that a run can be printed as now. */
export interface DocumentEntry extends Coded {
  paper: "a4" | "a5";
}

/** One value on a document. */
export type DocumentValue =
  | { text: string }
  | { words: Words }
  /** A dateTime or instant. */
  | { time: When }
  /** A date, as precise as it is known. */
  | { date: When }
  | { yes: boolean }
  /** A number as it was written, and its unit in UCUM. */
  | { quantity: { value: string; unit: string } };

/** Lines of a document that belong together, or a table. */
export interface DocumentSection {
  code: string;
  title?: Words;
  lines?: { title: Words; values: DocumentValue[]; wide?: boolean }[];
  columns?: Words[];
  rows?: DocumentValue[][][];
}

/** A document as it is to be printed. */
export interface PrintedDocument extends DocumentEntry {
  /** The number people know it by. */
  number: string;
  issuer?: string;
  to?: string;
  /** The class of the run. */
  class?: Words;
  sections: DocumentSection[];
  signatures: { title: Words; name?: string; dated?: boolean }[];
  note?: Words;
  run: string;
  protocol: Coded & { version: string };
  printed: When;
  by?: string;
}

/** What the record suggests of a patient, and why. */
export interface Suggestion {
  rule: string;
  /** What tells it from the same one on other evidence. */
  key: string;
  title: Words;
  patient: Party;
  start?: { code: string; title?: Words };
  class?: Coded & { priority: "routine" | "urgent" | "asap" | "stat" };
  source: string;
  evidence: SuggestionEvidence[];
  /** The item of the form in which the reason stands. */
  into?: string;
  /** A run of the protocol that is under way for the patient already. */
  run?: string;
  /** It was not followed: why, and by whom. */
  declined?: { at?: When; by?: string; reason?: string };
}

/** Something that shows why: an entry of the record with its values, or a value alone. */
export interface SuggestionEvidence {
  reference?: string;
  code?: string;
  title?: string;
  values: { code?: string; title?: string; value: string; unit?: string }[];
  at?: When;
}

/** What is done to a run, or to one of its steps. */
export type Act =
  | {
      deed: "complete";
      step: string;
      n: number;
      outcome?: string;
      reason?: Reason;
      response?: QuestionnaireResponse;
      at?: When;
    }
  | { deed: "take" | "acknowledge"; step: string; n: number }
  | { deed: "hand"; step: string; n: number; party: Party }
  | { deed: "skip"; step: string; n: number; reason: Reason }
  | { deed: "correct"; milestone: string; n: number; at: When; reason: Reason; signature: string }
  | { deed: "regrade"; class: string; reason: Reason }
  | { deed: "switch"; protocol: string; reason: Reason }
  | { deed: "cancel"; reason: Reason };

/** How a run is started. */
export interface Begin {
  /** Chosen by whoever starts it, so that sending it twice starts one. */
  id: string;
  protocol: string;
  /** The code of the way to start, where there are several. */
  start?: string;
  patient: string;
  focus?: string;
  class?: string;
  roles: Record<string, string>;
  response?: QuestionnaireResponse;
}

/** A dry run under a clock of its own. */
export interface Rehearsal {
  class?: string;
  /** What is supposed of the conditions of steps. */
  facts: Record<string, boolean>;
  /** When it begins. */
  began: When;
  events: ({ at: When; by?: string } & Act)[];
  now: When;
}

/** A dry run, with what would have been told and what was refused. */
export interface Rehearsed extends RunView {
  /** Who would have been told, when, and about which milestone or clock. */
  told?: { at: When; roles: string[]; milestone?: string; clock?: string }[];
  /** Events that were refused, by their place among those that were sent. */
  refused?: { event: number; text: string }[];
}

/** Protocols and their runs. Every method throws {@link Failure} and nothing else. */
export class Runs {
  constructor(private readonly service: Service) {}

  /** The protocols that are installed, the newest version of each. */
  async protocols(signal?: AbortSignal): Promise<ProtocolEntry[]> {
    return (await this.service.json("GET", "/protocols", undefined, signal)) as ProtocolEntry[];
  }

  /** A whole protocol; its newest version unless another is named. */
  async protocol(code: string, version?: string, signal?: AbortSignal): Promise<Protocol> {
    const query = version === undefined ? "" : `?version=${encodeURIComponent(version)}`;
    return (await this.service.json("GET", `/protocols/${encodeURIComponent(code)}${query}`, undefined, signal)) as Protocol;
  }

  /** Starts a run, once however often the same one is sent. */
  async start(begin: Begin): Promise<RunView> {
    return (await this.service.json("POST", "/runs", begin)) as RunView;
  }

  /** A run as it stands. */
  async run(id: string, signal?: AbortSignal): Promise<RunView> {
    return (await this.service.json("GET", `/runs/${encodeURIComponent(id)}`, undefined, signal)) as RunView;
  }

  /** A run as it stands, and what tells its patient apart, for whoever may read the patient. */
  async withPatient(id: string, signal?: AbortSignal): Promise<{ run: RunView; patient: Patient | undefined }> {
    const path = `/runs/${encodeURIComponent(id)}?with=patient`;
    const { whom, ...run } = (await this.service.json("GET", path, undefined, signal)) as RunView & { whom?: Patient };
    return { run, patient: whom };
  }

  /**
   * Does something to a run and gives how it stands then.
   *
   * @throws Failure of kind `conflict` when it no longer can be done; its text says who was first
   */
  async act(id: string, act: Act): Promise<RunView> {
    return (await this.service.json("POST", `/runs/${encodeURIComponent(id)}/acts`, act)) as RunView;
  }

  /** What a run can be printed as now. */
  async documents(id: string, signal?: AbortSignal): Promise<DocumentEntry[]> {
    return (await this.service.json("GET", `/runs/${encodeURIComponent(id)}/documents`, undefined, signal)) as DocumentEntry[];
  }

  /** One of them with all it says; that it was asked for is noted. */
  async document(id: string, code: string, signal?: AbortSignal): Promise<PrintedDocument> {
    const path = `/runs/${encodeURIComponent(id)}/documents/${encodeURIComponent(code)}`;
    return (await this.service.json("GET", path, undefined, signal)) as PrintedDocument;
  }

  /** What the record suggests of a patient by the criteria of a protocol, or of everybody on a ward. */
  async suggestions(
    code: string,
    of: { patient: string } | { organization: string; start?: string },
    signal?: AbortSignal,
  ): Promise<Suggestion[]> {
    const query = new URLSearchParams(of as Record<string, string>).toString();
    const path = `/protocols/${encodeURIComponent(code)}/suggestions?${query}`;
    return (await this.service.json("GET", path, undefined, signal)) as Suggestion[];
  }

  /** Says that a suggestion is not followed, and why; it does not come again for the same evidence. */
  async decline(code: string, told: { patient: string; key: string; reason: string }): Promise<Suggestion[]> {
    return (await this.service.json("POST", `/protocols/${encodeURIComponent(code)}/suggestions`, told)) as Suggestion[];
  }

  /** Plays a protocol under a clock of its own; nothing is kept. */
  async rehearse(code: string, rehearsal: Rehearsal, signal?: AbortSignal): Promise<Rehearsed> {
    const path = `/protocols/${encodeURIComponent(code)}/rehearsal`;
    return (await this.service.json("POST", path, rehearsal, signal)) as Rehearsed;
  }

  /** The indicators of a protocol over a period and, if one is named, an institution. */
  async figures(
    code: string,
    asked: { from?: When; to?: When; organization?: string; role?: string; trait?: string },
    signal?: AbortSignal,
  ): Promise<Figure[]> {
    const query = new URLSearchParams(asked as Record<string, string>).toString();
    const path = `/protocols/${encodeURIComponent(code)}/figures${query === "" ? "" : `?${query}`}`;
    return (await this.service.json("GET", path, undefined, signal)) as Figure[];
  }

  /** The same told apart by one or two of `month`, `organization`, `role:ROLE` and `trait:TRAIT`. */
  async figuresBy(code: string, asked: { from?: When; to?: When; organization?: string; by: string }, signal?: AbortSignal): Promise<FigureTable> {
    const query = new URLSearchParams(asked as Record<string, string>).toString();
    return (await this.service.json("GET", `/protocols/${encodeURIComponent(code)}/figures?${query}`, undefined, signal)) as FigureTable;
  }
}
