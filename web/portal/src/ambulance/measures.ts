import { DIASTOLIC, SYSTOLIC, TEMPERATURE, type Measure } from "../patients/vitals";

const measure = (
  code: string,
  display: string,
  unit: string,
  shown: string,
  possible: Measure["possible"],
  expected: Measure["expected"],
  decimals = 0,
): Measure => ({ code, display, unit, shown, possible, expected, decimals });

export const PULSE = measure("8867-4", "Heart rate", "/min", "/min", [0, 350], [40, 160]);
export const BREATHING = measure("9279-1", "Respiratory rate", "/min", "/min", [0, 90], [8, 40]);
export const OXYGEN = measure("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry", "%", "%", [20, 100], [85, 100]);
export const GLUCOSE = measure("15074-8", "Glucose [Moles/volume] in Blood", "mmol/L", "mmol/L", [0.5, 60], [3, 25], 1);

/** What a crew measures, in the order in which it is asked for. */
export const measures = [
  { name: "pulse", measure: PULSE },
  { name: "pressure", measure: SYSTOLIC },
  { name: "oxygen", measure: OXYGEN },
  { name: "breathing", measure: BREATHING },
  { name: "temperature", measure: TEMPERATURE },
  { name: "glucose", measure: GLUCOSE },
] as const;

export { DIASTOLIC, SYSTOLIC };
