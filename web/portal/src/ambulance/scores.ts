import type { Observation } from "@qingshan/client";
import { LOINC } from "../patients/vitals";

/** The system of observations that no standard names. */
export const QINGSHAN = "https://qingshan.dev/fhir/CodeSystem/observation";

/** One item of a score: what is asked, and the points of each answer. */
export interface Item {
  code: string;
  points: readonly number[];
}

/** A score as it was published: its items, and what their sum says. */
export interface Score {
  code: string;
  /** What it is called in every language. */
  name: string;
  loinc?: string;
  items: readonly Item[];
  /** From which total on the tablet draws attention, and where that stands. */
  attention?: { from?: number; to?: number };
  source: string;
}

/** Bands of a measured value: the points of the first one that it reaches, from the top. */
export interface Bands {
  code: string;
  bands: readonly (readonly [from: number, points: number])[];
}

export const FAST: Score = {
  code: "fast",
  name: "FAST",
  items: [
    { code: "fast-face", points: [0, 1] },
    { code: "fast-arm", points: [0, 1] },
    { code: "fast-speech", points: [0, 1] },
  ],
  attention: { from: 1 },
  source: "Harbison J, et al. Stroke 2003;34:71-76",
};

export const LAMS: Score = {
  code: "lams",
  name: "LAMS",
  items: [
    { code: "lams-face", points: [0, 1] },
    { code: "lams-arm", points: [0, 1, 2] },
    { code: "lams-grip", points: [0, 1, 2] },
  ],
  attention: { from: 4 },
  source: "Nazliel B, et al. Stroke 2008;39:2264-2267",
};

export const GCS: Score = {
  code: "gcs",
  name: "GCS",
  loinc: "9269-2",
  items: [
    { code: "gcs-eye", points: [4, 3, 2, 1] },
    { code: "gcs-verbal", points: [5, 4, 3, 2, 1] },
    { code: "gcs-motor", points: [6, 5, 4, 3, 2, 1] },
  ],
  attention: { to: 8 },
  source: "Teasdale G, Jennett B. Lancet 1974;2:81-84",
};

/** The revised trauma score as it is used for triage, the sum of three codes from 0 to 12. */
export const RTS: Score = {
  code: "rts",
  name: "RTS",
  items: [
    { code: "rts-gcs", points: [0, 1, 2, 3, 4] },
    { code: "rts-systolic", points: [0, 1, 2, 3, 4] },
    { code: "rts-breathing", points: [0, 1, 2, 3, 4] },
  ],
  attention: { to: 11 },
  source: "Champion HR, et al. J Trauma 1989;29:623-629",
};

const RTS_BANDS = {
  gcs: { code: "rts-gcs", bands: [[13, 4], [9, 3], [6, 2], [4, 1], [3, 0]] },
  systolic: { code: "rts-systolic", bands: [[90, 4], [76, 3], [50, 2], [1, 1], [0, 0]] },
  // Breathing faster than 29 scores less than breathing normally.
  breathing: { code: "rts-breathing", bands: [[30, 3], [10, 4], [6, 2], [1, 1], [0, 0]] },
} satisfies Record<string, Bands>;

/** The points of a value, or nothing when there is none or it lies below every band. */
export function pointsOf({ bands }: Bands, value: number | undefined): number | undefined {
  return value === undefined ? undefined : bands.find(([from]) => value >= from)?.[1];
}

/** The sum of all items, or nothing while one of them is missing. */
export function totalOf(score: Score, items: Readonly<Record<string, number>>): number | undefined {
  const values = score.items.map(({ code }) => items[code]);
  return values.every((value) => value !== undefined) ? values.reduce((sum: number, value) => sum + (value ?? 0), 0) : undefined;
}

/** The items of the trauma score, as far as what they are made of is known. */
export function rtsItems(known: { gcs?: number | undefined; systolic?: number | undefined; breathing?: number | undefined }): Record<string, number> {
  const points = {
    "rts-gcs": pointsOf(RTS_BANDS.gcs, known.gcs),
    "rts-systolic": pointsOf(RTS_BANDS.systolic, known.systolic),
    "rts-breathing": pointsOf(RTS_BANDS.breathing, known.breathing),
  };
  return Object.fromEntries(Object.entries(points).filter((entry): entry is [string, number] => entry[1] !== undefined));
}

/** Whether a total is one that the tablet draws attention to. */
export function isNotable({ attention }: Score, total: number): boolean {
  if (attention === undefined) return false;
  return (attention.from !== undefined && total >= attention.from) || (attention.to !== undefined && total <= attention.to);
}

/** The score that an observation is of, told by its code; nothing when it is none, or only a total that somebody wrote. */
export function scoreOf({ code, component = [] }: Observation): Score | undefined {
  const codes = (code.coding ?? []).map(({ system, code: one }) => `${system ?? ""}|${one ?? ""}`);
  const is = (score: Score) => codes.includes(`${QINGSHAN}|${score.code}`) || (score.loinc !== undefined && codes.includes(`${LOINC}|${score.loinc}`));
  return component.length === 0 ? undefined : [FAST, LAMS, GCS, RTS].find(is);
}
