import { basename } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The files that take longest, the longest first; what is begun last must not be what everybody then waits for. */
const long = ["pictures", "referral", "drill", "stories", "access", "ambulance", "screens", "places"];

/** Begins the files that take longest first. A fresh clone has no durations of its own to go by. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const found = long.indexOf(basename(moduleId, ".test.ts"));
      return found < 0 ? long.length : found;
    };
    return (await super.sort(files)).toSorted((one, other) => place(one) - place(other));
  }
}
