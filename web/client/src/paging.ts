import type { When } from "./fhir";
import type { Words } from "./runs";
import type { Service } from "./service";

/** A way to reach somebody who is not looking at a screen; `screen` is nothing but screens. */
export type Channel = "push" | "sms" | "voice" | "screen";

/** Decided, tried again, taken by its channel, given up, or with no channel at all. */
export type PageState = "waiting" | "retried" | "handed" | "given-up" | "no-way";

/** One message to one person over one channel. */
export interface PagedOne {
  id: string;
  who: string;
  name: string;
  role: string;
  title: Words;
  what: Words;
  told: When;
  channel: Channel;
  state: PageState;
  at?: When;
  attempts: number;
  /** Nobody was on call. */
  everyone: boolean;
  failure?: string;
}

/** What stands between a run and the people it called. */
export interface PagingTrouble {
  run: string;
  channels: Channel[];
  /** What those are called whom no channel has reached. */
  unreached: string[];
  /** What the roles are called for which nobody is on call. */
  nobody: Words[];
}

/** A browser on which somebody is paged. */
export interface PagedDevice {
  id: string;
  name: string;
  locale: string;
  since: When;
}

/** How somebody is paged. */
export interface Reach {
  /** The key that a browser needs to take messages of this server, in base64url. */
  key: string;
  devices: PagedDevice[];
  channels: Channel[];
  /** The channels of a gateway that are used here at all. */
  gateway: Channel[];
}

/** What a browser gives out about where it is reached. */
export interface NewDevice {
  endpoint: string;
  p256dh: string;
  auth: string;
  name: string;
  locale: string;
}

/** What people can be on call for. */
export interface Call {
  code: string;
  title: Words;
  duties: string[];
}

/** Hours in which somebody is on call. */
export interface Shift {
  id: string;
  call: string;
  who: string;
  name: string;
  from: When;
  to: When;
  channels: Channel[];
}

export interface Roster {
  now: When;
  calls: Call[];
  shifts: Shift[];
}

/** Somebody who can be put on call. */
export interface Candidate {
  who: string;
  name: string;
  house: string;
  channels: Channel[];
}

export interface NewShift {
  key: string;
  institution: string;
  call: string;
  who: string;
  from: When;
  to: When;
  instead?: string[];
}

/** Who is on call, and how they are paged. */
export class Paging {
  constructor(private readonly service: Service) {}

  /** How the one who asks is paged. */
  async reach(signal?: AbortSignal): Promise<Reach> {
    return (await this.service.json("GET", "/paging/devices", undefined, signal)) as Reach;
  }

  async addDevice(device: NewDevice): Promise<PagedDevice> {
    return (await this.service.json("POST", "/paging/devices", device)) as PagedDevice;
  }

  async dropDevice(id: string): Promise<void> {
    await this.service.json("POST", `/paging/devices/${encodeURIComponent(id)}/off`, {});
  }

  /** The number over which the one who asks is called, if they have one. */
  async number(signal?: AbortSignal): Promise<string | undefined> {
    return ((await this.service.json("GET", "/paging/number", undefined, signal)) as { number: string | null }).number ?? undefined;
  }

  /** Gives the one who asks another number to be called over; an empty text for none. */
  async setNumber(number: string): Promise<void> {
    await this.service.json("POST", "/paging/number", { number });
  }

  /** Sends a message to every device of the one who asks, and says which took it. */
  async tryDevices(): Promise<{ device: string; taken: boolean; gone: boolean }[]> {
    return (await this.service.json("POST", "/paging/devices/trial", {})) as { device: string; taken: boolean; gone: boolean }[];
  }

  /** The roster of an institution, by its id, between two moments. */
  async roster(institution: string, from: When, to: When, signal?: AbortSignal): Promise<Roster> {
    const query = new URLSearchParams({ institution, from, to }).toString();
    return (await this.service.json("GET", `/paging/roster?${query}`, undefined, signal)) as Roster;
  }

  async candidates(institution: string, call: string, signal?: AbortSignal): Promise<Candidate[]> {
    const query = new URLSearchParams({ institution, call }).toString();
    return (await this.service.json("GET", `/paging/roster/people?${query}`, undefined, signal)) as Candidate[];
  }

  /** Sets a shift, once however often the same one is sent. */
  async setShift(shift: NewShift): Promise<Shift> {
    return (await this.service.json("POST", "/paging/roster", shift)) as Shift;
  }

  async dropShift(id: string): Promise<void> {
    await this.service.json("POST", `/paging/roster/${encodeURIComponent(id)}/off`, {});
  }

  /** Whom a run has paged, and what became of it. */
  async ofRun(run: string, signal?: AbortSignal): Promise<PagedOne[]> {
    return (await this.service.json("GET", `/runs/${encodeURIComponent(run)}/pages`, undefined, signal)) as PagedOne[];
  }

  /** Runs whose pages do not all go out. */
  async trouble(signal?: AbortSignal): Promise<{ now: When; runs: PagingTrouble[] }> {
    return (await this.service.json("GET", "/paging/trouble", undefined, signal)) as { now: When; runs: PagingTrouble[] };
  }
}
