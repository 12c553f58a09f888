import { basename } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The files that take longest, the longest first; what is begun last must not be what everybody then waits for. */
const long = ["pictures", "referral", "stories", "drill", "menu", "ambulance", "access", "screens", "places", "board"];

/** Begins the files that take longest first. A fresh clone has no durations of its own to go by. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const found = long.indexOf(basename(moduleId, ".test.ts"));
      return found < 0 ? long.length : found;
    };
    return (await super.sort(files)).toSorted((one, other) => place(one) - place(other));
  }
}

export default defineConfig({
  test: {
    // The bounds only end a run that hangs; every step waits for what it waits for.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 60_000 } },
    // A file has a server, a folder and a browser of its own, and mostly waits for them: two keep two cores at work.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
  },
});
