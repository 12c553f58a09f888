import { expect, test } from "vitest";
import { questions } from "../src/patients/find";
import { nameOf, residentIdOf, identifiersOf } from "../src/patients/person";
import { RESIDENT_ID, readResidentId } from "../src/patients/residentId";

test("a resident identity number tells birth date and sex", () => {
  expect(readResidentId("11010519491231002X")).toEqual({
    ok: true,
    value: "11010519491231002X",
    birthDate: "1949-12-31",
    sex: "female",
  });
  expect(readResidentId("440524188001010014")).toMatchObject({ ok: true, birthDate: "1880-01-01", sex: "male" });
});

test("a small x, full-width digits and spaces are taken", () => {
  expect(readResidentId(" 110105 19491231 002x")).toMatchObject({ ok: true, value: "11010519491231002X" });
  expect(readResidentId("１１０１０５１９４９１２３１００２Ｘ")).toMatchObject({ ok: true, value: "11010519491231002X" });
});

test("any one wrong digit and any two swapped neighbours are found", () => {
  const good = "11010519491231002X";
  for (let place = 0; place < 17; place++) {
    for (let digit = 0; digit < 10; digit++) {
      const wrong = good.slice(0, place) + String(digit) + good.slice(place + 1);
      if (wrong !== good) expect(readResidentId(wrong).ok, wrong).toBe(false);
    }
    const swapped = good.slice(0, place) + good[place + 1] + good[place] + good.slice(place + 2);
    if (swapped !== good) expect(readResidentId(swapped).ok, swapped).toBe(false);
  }
});

test("what a resident identity number lacks is said", () => {
  expect(readResidentId("1101051949123100")).toEqual({ ok: false, why: "shape" });
  expect(readResidentId("110105194902300025")).toEqual({ ok: false, why: "birthDate" });
  expect(readResidentId("110105194912310021")).toEqual({ ok: false, why: "checkDigit" });
});

test("what is typed is looked for where it may stand", () => {
  const asked = (typed: string) => questions(typed).map((question) =>
      Object.entries(question)
        .map(([parameter, value]) => `${parameter}=${value}`)
        .join("&"),
    );
  expect(asked("单雄")).toEqual(["name=单雄"]);
  expect(asked("shan  xiong ")).toEqual(["name=shan xiong"]);
  expect(asked("sx")).toEqual(["name=sx"]);
  expect(asked("138 0000-0000")).toEqual(["phone=13800000000", "identifier=13800000000"]);
  expect(asked("11010519491231002x")).toEqual(["identifier=11010519491231002X"]);
  expect(asked("110105194912310020")).toEqual(["identifier=110105194912310020"]);
  expect(asked("19580412")).toEqual(["birthdate=1958-04-12", "phone=19580412", "identifier=19580412"]);
  expect(asked("1958-4-12")).toEqual(["birthdate=1958-04-12"]);
  expect(asked("sx 1958")).toEqual(["name=sx&birthdate=1958", "identifier=sx 1958"]);
  expect(asked("单雄1958年4月12日")[0]).toBe("name=单雄&birthdate=1958-04-12");
  expect(asked("ZY-00123")).toEqual(["identifier=ZY-00123", "name=ZY-00123"]);
});

test("too little to go by asks nothing", () => {
  for (const typed of ["", "  ", "s", "13", "138"]) expect(questions(typed)).toEqual([]);
});

test("names are written in their own order, the official one first", () => {
  expect(nameOf({ name: [{ family: "欧阳", given: ["明"] }] })).toBe("欧阳明");
  expect(nameOf({ name: [{ use: "old", text: "旧名" }, { use: "official", family: "Smith", given: ["Ann", "B"] }] })).toBe(
    "Ann B Smith",
  );
  expect(nameOf({})).toBeUndefined();
});

test("the identity card comes before other numbers, and old numbers are left out", () => {
  const identifier = [
    { system: "urn:mrn", value: "7" },
    { system: "urn:mrn", value: "6", use: "old" },
    { system: RESIDENT_ID, value: "11010519491231002X" },
  ];
  expect(residentIdOf({ identifier })).toBe("11010519491231002X");
  expect(identifiersOf({ identifier }).map((entry) => entry.value)).toEqual(["11010519491231002X", "7"]);
});
