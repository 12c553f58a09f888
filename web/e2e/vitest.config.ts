import { defineConfig } from "vitest/config";
import { LongestFirst } from "./src/longest";

export default defineConfig({
  test: {
    // The bounds only end a run that hangs; every step waits for what it waits for.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    // A file has a server, a folder and a browser of its own, and mostly waits for them: two keep two cores at work.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
  },
});
