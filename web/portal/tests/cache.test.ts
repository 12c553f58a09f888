import { QueryObserver } from "@tanstack/react-query";
import { expect, test } from "vitest";
import { Cache } from "../src/cache";

/** A record of one number, and screens that read it when they are let. */
function record() {
  let stored = 0;
  const waiting: (() => void)[] = [];
  const cache = new Cache();
  const screen = new QueryObserver(cache, {
    queryKey: ["patient", "1"],
    queryFn: () => {
      const found = stored;
      return new Promise<number>((answer) => waiting.push(() => answer(found)));
    },
    retry: false,
  });
  return {
    cache,
    screen,
    store: (value: number) => (stored = value),
    /** Lets the next reading be answered, once there is one. */
    async answer() {
      await expect.poll(() => waiting.length).toBeGreaterThan(0);
      waiting.shift()?.();
    },
    waiting,
  };
}

test("what changes while a screen reads for the first time is read as well", async () => {
  const { cache, screen, store, answer } = record();
  screen.subscribe(() => {});
  store(1);
  const renewed = cache.invalidateQueries({ queryKey: ["patient"] });
  await answer();
  await answer();
  await renewed;
  expect(screen.getCurrentResult().data).toBe(1);
});

test("several changes during the first reading are all read", async () => {
  const { cache, screen, store, answer, waiting } = record();
  screen.subscribe(() => {});
  store(1);
  const first = cache.invalidateQueries({ queryKey: ["patient"] });
  store(2);
  const second = cache.invalidateQueries({ queryKey: ["patient", "1"] });
  await answer();
  await answer();
  while (waiting.length > 0) await answer();
  await Promise.all([first, second]);
  expect(screen.getCurrentResult().data).toBe(2);
});
