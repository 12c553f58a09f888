import type { Coding } from "@qingshan/client";

/** Units of measure whose code people do not write: the sign they do write. <https://ucum.org/ucum> */
const SIGNS: Readonly<Record<string, string>> = {
  Cel: "℃",
  "mm[Hg]": "mmHg",
  ug: "μg",
  "umol/L": "μmol/L",
  "10*9/L": "×10⁹/L",
  "10*12/L": "×10¹²/L",
  m2: "m²",
  "kg/m2": "kg/m²",
  1: "",
  "{score}": "",
};

/** A unit as it is written behind a number. */
export function shownUnit(unit: Coding | undefined): string {
  const { code = "", display } = unit ?? {};
  return SIGNS[code] ?? display ?? code;
}
