import { expect, test } from "vitest";
import { Failure } from "../src/failure";
import { follow, type LiveState } from "../src/live";

/** A service whose streams the test feeds, and a clock that the test moves. */
function stage() {
  const asked: { lastId: string | undefined; send(text: string): Promise<void>; end(): void; fail(why: Failure): void }[] = [];
  const states: LiveState[] = [];
  const changes: string[] = [];
  let gaps = 0;
  let waiting: { call: () => void; in: number }[] = [];
  const settle = () => new Promise<void>((done) => setImmediate(done));
  const service = {
    stream(_topic: string, lastId: string | undefined, signal: AbortSignal) {
      return new Promise<Response>((answer, refuse) => {
        const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
        const writer = writable.getWriter();
        let isOpen = false;
        const open = () => {
          if (!isOpen) answer(new Response(readable));
          isOpen = true;
        };
        signal.addEventListener("abort", () => void writer.abort(new Error("aborted")).catch(() => {}));
        asked.push({
          lastId,
          async send(text) {
            open();
            await writer.write(new TextEncoder().encode(text));
            await settle();
          },
          end: () => void writer.close().catch(() => {}),
          fail: refuse,
        });
      });
    },
  };
  const following = follow(
    service,
    "Patient/1",
    {
      onChange: (change) => changes.push(`${change.type}/${change.id}`),
      onGap: () => gaps++,
      onState: (state) => states.push(state),
    },
    {
      now: () => 1_000,
      after(milliseconds, call) {
        const entry = { call, in: milliseconds };
        waiting.push(entry);
        return () => {
          waiting = waiting.filter((other) => other !== entry);
        };
      },
    },
  );
  return {
    following,
    asked,
    states,
    changes,
    settle,
    gaps: () => gaps,
    waits: () => waiting.map((entry) => entry.in),
    pass() {
      const due = waiting;
      waiting = [];
      for (const entry of due) entry.call();
    },
    connection(index: number) {
      const connection = asked[index];
      if (connection === undefined) throw new Error(`there is no connection ${index}`);
      return connection;
    },
  };
}

test("a broken stream is resumed after the last event it brought, without a gap", async () => {
  const it = stage();
  await it.connection(0).send('id: 5\nevent: change\ndata: {"type":"Patient","id":"a"}\n\n');
  expect(it.gaps()).toBe(1);
  it.connection(0).end();
  await it.settle();
  expect(it.states.at(-1)).toEqual({ kind: "lost", heard: 1_000 });
  it.pass();
  await it.connection(1).send('id: 6\nevent: change\ndata: {"type":"Patient","id":"b"}\n\n');
  expect(it.connection(1).lastId).toBe("5");
  expect(it.changes).toEqual(["Patient/a", "Patient/b"]);
  expect(it.gaps()).toBe(1);
  it.following.close();
});

test("a connection that cannot ask for what it missed counts as a gap", async () => {
  const it = stage();
  await it.connection(0).send(": hello\n\n");
  it.connection(0).end();
  await it.settle();
  it.pass();
  await it.connection(1).send(": hello\n\n");
  expect(it.gaps()).toBe(2);
  it.following.close();
});

test("a gap the server tells of is passed on and is no change", async () => {
  const it = stage();
  await it.connection(0).send("id: 9\nevent: gap\ndata: {}\n\n");
  expect(it.gaps()).toBe(2);
  expect(it.changes).toEqual([]);
  it.following.close();
});

test("a server that stays away is asked ever less often, up to a bound", async () => {
  const it = stage();
  const waits: number[] = [];
  for (let round = 0; round < 6; round++) {
    it.connection(round).fail(new Failure("offline", undefined));
    await it.settle();
    waits.push(...it.waits());
    it.pass();
  }
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
  it.following.close();
});

test("a line that falls silent counts as broken", async () => {
  const it = stage();
  await it.connection(0).send(": hello\n\n");
  it.pass();
  await it.settle();
  expect(it.states.at(-1)?.kind).toBe("lost");
  it.following.close();
});

test("a caller who may not listen is told so and does not knock again", async () => {
  const it = stage();
  it.connection(0).fail(new Failure("refused", 403));
  await it.settle();
  expect(it.states.at(-1)?.kind).toBe("refused");
  expect(it.waits()).toEqual([]);
  it.following.retry();
  expect(it.asked).toHaveLength(1);
});
