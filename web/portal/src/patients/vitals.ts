import type { Observation, Quantity, When } from "@qingshan/client";

export const LOINC = "http://loinc.org";
const UCUM = "http://unitsofmeasure.org";

/** A quantity that is measured: its LOINC code, its UCUM unit and how that unit is written, and what can be true. */
export interface Measure {
  code: string;
  display: string;
  unit: string;
  shown: string;
  /** Outside these bounds it is a typing error: nobody alive has it. */
  possible: readonly [number, number];
  /** Outside these it may be true, but is read twice before it is kept. */
  expected: readonly [number, number];
  decimals: number;
}

export const SYSTOLIC: Measure = {
  code: "8480-6",
  display: "Systolic blood pressure",
  unit: "mm[Hg]",
  shown: "mmHg",
  possible: [30, 320],
  expected: [80, 200],
  decimals: 0,
};

export const DIASTOLIC: Measure = {
  code: "8462-4",
  display: "Diastolic blood pressure",
  unit: "mm[Hg]",
  shown: "mmHg",
  possible: [10, 220],
  expected: [40, 120],
  decimals: 0,
};

export const TEMPERATURE: Measure = {
  code: "8310-5",
  display: "Body temperature",
  unit: "Cel",
  shown: "℃",
  possible: [24, 45],
  expected: [35, 40.5],
  decimals: 1,
};

/** The panel that holds both pressures of one measurement. */
export const BLOOD_PRESSURE = { code: "85354-9", display: "Blood pressure panel with all children optional" };

/** What a typed value is: kept, kept after a second look, or not kept. */
export type Reading = { ok: true; value: number; isUnusual: boolean } | { ok: false; why: "number" | "impossible" };

/** Reads a value as typed, with full-width digits or a Chinese full stop for the point. */
export function readValue(measure: Measure, typed: string): Reading {
  const text = typed.normalize("NFKC").trim().replace("。", ".");
  const fits = measure.decimals === 0 ? /^\d{1,3}$/ : new RegExp(`^\\d{1,3}(\\.\\d{1,${measure.decimals}})?$`);
  if (!fits.test(text)) return { ok: false, why: "number" };
  const value = Number(text);
  const within = ([least, most]: readonly [number, number]) => value >= least && value <= most;
  if (!within(measure.possible)) return { ok: false, why: "impossible" };
  return { ok: true, value, isUnusual: !within(measure.expected) };
}

const category = [
  {
    coding: [
      {
        system: "http://terminology.hl7.org/CodeSystem/observation-category",
        code: "vital-signs",
        display: "Vital Signs",
      },
    ],
  },
];

const concept = ({ code, display }: { code: string; display: string }) => ({
  coding: [{ system: LOINC, code, display }],
});

const quantity = (measure: Measure, value: number): Quantity => ({
  value,
  unit: measure.shown,
  system: UCUM,
  code: measure.unit,
});

/** What every vital sign says besides its value. */
export interface Taken {
  /** The id the observation is kept under; chosen before it is sent, so that sending twice keeps one. */
  id: string;
  patient: string;
  at: When;
}

const base = ({ id, patient, at }: Taken) => ({
  resourceType: "Observation" as const,
  id,
  status: "final",
  category,
  subject: { reference: `Patient/${patient}` },
  effectiveDateTime: at,
});

/** A blood pressure in mmHg. <http://hl7.org/fhir/R4/bp.html> */
export function bloodPressure(taken: Taken, systolic: number, diastolic: number): Observation & { id: string } {
  return {
    ...base(taken),
    code: concept(BLOOD_PRESSURE),
    component: [
      { code: concept(SYSTOLIC), valueQuantity: quantity(SYSTOLIC, systolic) },
      { code: concept(DIASTOLIC), valueQuantity: quantity(DIASTOLIC, diastolic) },
    ],
  };
}

/** A body temperature in degrees Celsius. <http://hl7.org/fhir/R4/bodytemp.html> */
export function temperature(taken: Taken, degrees: number): Observation & { id: string } {
  return measured(taken, TEMPERATURE, degrees);
}

/** Any other quantity that was measured. <http://hl7.org/fhir/R4/observation-vitalsigns.html> */
export function measured(taken: Taken, measure: Measure, value: number): Observation & { id: string } {
  return { ...base(taken), code: concept(measure), valueQuantity: quantity(measure, value) };
}

/** A random id for a resource that is about to be written. <https://www.rfc-editor.org/rfc/rfc9562#section-5.4> */
export function newId(): string {
  // Browsers offer randomUUID to secure origins only, and a village station may be on plain HTTP within its own house.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...bytes].map((byte, place) => {
    const marked = place === 6 ? (byte & 0x0f) | 0x40 : place === 8 ? (byte & 0x3f) | 0x80 : byte;
    return marked.toString(16).padStart(2, "0");
  });
  return [hex.slice(0, 4), hex.slice(4, 6), hex.slice(6, 8), hex.slice(8, 10), hex.slice(10)]
    .map((part) => part.join(""))
    .join("-");
}
