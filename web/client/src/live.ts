import { EventReader } from "./events";
import { Failure } from "./failure";
import type { Service } from "./service";

/** One change the stream told of: which resource it made into which version, and nothing of what is in it. */
export interface Change {
  /** Its place in the order of all changes. */
  seq: number;
  type: string;
  id: string;
  version: number;
}

/** How a stream stands. Times are milliseconds since 1970. */
export type LiveState =
  | { kind: "connecting" }
  /** Open; `heard` is when the server was last heard, so all that happened before it is known here. */
  | { kind: "live"; heard: number }
  /** Broken; all that happened after `heard` is unknown here. It is being tried again. */
  | { kind: "lost"; heard: number | undefined }
  /** Ended by the server for good: this caller may not listen. */
  | { kind: "refused"; failure: Failure };

/** A stream that is being followed. */
export interface Following {
  /** Tries again at once instead of when the wait is over. */
  retry(): void;
  /** Says that the line is gone, without waiting to find out. */
  lose(): void;
  close(): void;
}

/** What following needs from its surroundings. */
export interface Surroundings {
  now(): number;
  /** Calls back once after so many milliseconds; what it returns calls that off. */
  after(milliseconds: number, call: () => void): () => void;
}

/** Silence after which a line counts as broken, in milliseconds. The server is heard every 15 seconds. */
const SILENCE = 40_000;
const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 15_000;

const browser: Surroundings = {
  now: () => Date.now(),
  after: (milliseconds, call) => {
    const timer = setTimeout(call, milliseconds);
    return () => clearTimeout(timer);
  },
};

/**
 * Follows a topic such as `Patient/1` until it is closed, and connects again by itself, asking for what it missed.
 *
 * A topic is one resource with all that belongs to it, a type, or a type with criteria as in a search:
 * `Task?_tag=https://qingshan.dev/fhir/CodeSystem/run|step&status=ready,in-progress&owner=Organization/1` is the worklist
 * of an institution. Criteria are parameters of codes and of references, as they are; how a search is sorted, paged or
 * what it includes is none. A change is told when the criteria were met before it or are met after it, so a list hears
 * of what it has to take down as well.
 *
 * `onGap` is called whenever changes may have been missed: on every connection that cannot ask for what lies behind it,
 * and when the server says that it cannot tell. Whoever shows data then reads it anew.
 */
export function follow(
  service: Pick<Service, "stream">,
  topic: string,
  told: { onChange(change: Change): void; onGap(): void; onState(state: LiveState): void },
  surroundings: Surroundings = browser,
): Following {
  let heard: number | undefined;
  let lastId: string | undefined;
  let wait = FIRST_WAIT;
  let isClosed = false;
  let connection: AbortController | undefined;
  let callOffWait = () => {};

  const connect = async () => {
    const own = new AbortController();
    connection = own;
    let callOffSilence = () => {};
    const hear = () => {
      heard = surroundings.now();
      wait = FIRST_WAIT;
      callOffSilence();
      callOffSilence = surroundings.after(SILENCE, () => own.abort());
      told.onState({ kind: "live", heard });
    };
    try {
      const response = await service.stream(topic, lastId, own.signal);
      const reader = new EventReader();
      const decoder = new TextDecoder();
      const pieces = response.body?.getReader();
      hear();
      if (lastId === undefined) told.onGap();
      while (pieces !== undefined) {
        const { done, value } = await pieces.read();
        if (done || own.signal.aborted) break;
        hear();
        for (const event of reader.read(decoder.decode(value, { stream: true }))) {
          if (event.name === "gap") told.onGap();
          else if (event.name === "change") told.onChange(JSON.parse(event.data) as Change);
        }
        lastId = reader.lastId ?? lastId;
        wait = reader.retry ?? wait;
      }
    } catch (cause) {
      if (cause instanceof Failure && !["offline", "busy", "fault"].includes(cause.kind)) {
        isClosed = true;
        told.onState({ kind: "refused", failure: cause });
      }
    } finally {
      callOffSilence();
    }
    if (isClosed || connection !== own) return;
    told.onState({ kind: "lost", heard });
    callOffWait = surroundings.after(wait, () => void connect());
    wait = Math.min(wait * 2, LONGEST_WAIT);
  };

  told.onState({ kind: "connecting" });
  void connect();
  return {
    retry() {
      if (isClosed) return;
      callOffWait();
      const before = connection;
      connection = undefined;
      before?.abort();
      void connect();
    },
    lose() {
      connection?.abort();
    },
    close() {
      isClosed = true;
      callOffWait();
      connection?.abort();
    },
  };
}
