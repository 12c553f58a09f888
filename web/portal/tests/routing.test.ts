import type { Parameters } from "@qingshan/client";
import { expect, test } from "vitest";
import type { Texts } from "../src/language";
import { frameOf, nearest, takingOf, type Place } from "../src/map/published";
import { readRouted, worth } from "../src/routing/reading";
import { reasonIn, traceIn, wishIn } from "../src/routing/words";
import chinese from "../src/strings/zh-CN.json";

const strings: Partial<Record<string, string>> = chinese;
const texts: Texts = {
  locale: "zh-CN",
  t: (key, places = {}) => (strings[key] ?? key).replace(/\{(\w+)\}/g, (whole, name: string) => String(places[name] ?? whole)),
  known: (family, code) => strings[`${family}.${code}`],
  choose: () => undefined,
};

const named = (id: string, name: string) => [
  { name: "location", valueReference: { reference: `Location/${id}`, display: "本部" } },
  { name: "institution", valueReference: { reference: `Organization/${id}`, display: name } },
];

const answer: Parameters = {
  resourceType: "Parameters",
  parameter: [
    { name: "as-of", valueInstant: "2026-05-04T00:00:00.000Z" },
    { name: "pathway", valueCode: "stroke" },
    { name: "rule", valueCode: "bypass" },
    { name: "chosen", part: [...named("a", "甲医院"), { name: "way", valueDecimal: 18.2 }, { name: "by-road", valueBoolean: true }, { name: "minutes", valueDecimal: 56.2 }] },
    {
      name: "rejected",
      part: [
        ...named("b", "乙医院"),
        { name: "reason", part: [{ name: "code", valueCode: "diverted" }, { name: "detail", valueString: "CT故障" }, { name: "value", valueDecimal: 5 }, { name: "unit", valueCode: "min" }] },
        { name: "reason", part: [{ name: "code", valueCode: "lacks" }, { name: "detail", valueString: "evt" }] },
      ],
    },
    { name: "wish", part: [...named("c", "丙医院"), { name: "way-lost", valueDecimal: 9 }, { name: "lost", valueDecimal: 21.6 }, { name: "rejected", valueBoolean: false }] },
    { name: "step", part: [{ name: "rule", valueCode: "large-vessel" }, { name: "held", valueBoolean: true }, { name: "value", valueDecimal: 5 }] },
    { name: "warning", part: [{ name: "code", valueCode: "straight-line" }] },
  ],
};

test("an answer is read whole, and goes with the warning in words that name everybody who was rejected", () => {
  const routed = readRouted(answer);
  expect(routed.chosen?.way).toBe(18.2);
  expect(routed.rejected[0]?.reasons.map((reason) => reasonIn(texts, reason))).toEqual(["暂不接诊：CT故障，5 分钟前", "24小时不具备：取栓"]);
  expect(wishIn(texts, routed.wish!)).toBe("患者选择丙医院，比推荐晚约 22 分钟");
  const trace = traceIn(texts, routed, "Organization/c");
  expect(trace).toContain("甲医院（约18分钟）");
  expect(trace).toContain("比推荐晚约 22 分钟");
  expect(trace).toContain("✕ 乙医院：暂不接诊：CT故障");
  expect(trace).toContain("路程按直线估算");
  expect(traceIn(texts, routed, "Organization/a")).not.toContain("患者选择");
});

test("a hospital that was rejected goes along with all that speaks against it, or is counted", () => {
  const routed = readRouted(answer);
  const [rejected] = routed.rejected;
  const many = { ...routed, rejected: Array.from({ length: 40 }, () => rejected!) };
  const lines = traceIn(texts, many, "Organization/a").split("\n");
  const told = lines.filter((line) => line.startsWith("✕"));
  expect(told.length).toBeGreaterThan(3);
  expect(told.every((line) => line.endsWith("24小时不具备：取栓"))).toBe(true);
  expect(lines.at(-1)).toBe(`另有 ${40 - told.length} 家未列出`);
  expect(traceIn(texts, many, "Organization/a").length).toBeLessThanOrEqual(500);
});

test("a status is worth what was said for a quarter of an hour and nothing afterwards", () => {
  const said = Date.parse("2026-05-04T00:00:00Z");
  const live = { status: "open", said: "2026-05-04T00:00:00Z", reason: undefined } as const;
  expect(worth(live, 15, said + 15 * 60_000)).toEqual({ taking: "open", minutes: 15 });
  expect(worth(live, 15, said + 15 * 60_000 + 1)).toEqual({ taking: "unknown", minutes: 15 });
  expect(worth(live, 15, said - 120_000).taking).toBe("unknown");
  expect(worth(undefined, 15, said).taking).toBe("unknown");
});

test("nobody at home is shown a status that is too old as if it were one", () => {
  const said = Date.parse("2026-05-04T00:00:00Z");
  const live = { status: "open", said: "2026-05-04T00:00:00Z" };
  expect(takingOf(live, 15, said + 5 * 60_000)).toEqual({ taking: "open", minutes: 5 });
  expect(takingOf({ ...live, status: "diverted" }, 15, said)).toEqual({ taking: "diverted", minutes: 0 });
  expect(takingOf(live, 15, said + 16 * 60_000).taking).toBe("unknown");
  expect(takingOf(live, 15, said - 120_000).taking).toBe("unknown");
  expect(takingOf({ ...live, status: "closed" }, 15, said).taking).toBe("unknown");
  expect(takingOf(null, 15, said).taking).toBe("unknown");
});

test("the nearest centre stands first, and one that is suspended stands nowhere", () => {
  const place = (institution: string, longitude: number | null, suspended = false): Place => ({
    location: institution, name: "本部", institution, english: null, latitude: 28.4, longitude,
    rows: [{ pathway: "stroke", name: "", level: null, capabilities: [], hotline: null, certified: null, suspended, live: null }],
  });
  const sites = [place("far", 113.5), place("suspended", 113.2, true), place("lost", null), place("near", 113.21)];
  const found = nearest(sites, "stroke", { latitude: 28.4, longitude: 113.2 });
  expect(found.map((one) => one.place.institution)).toEqual(["near", "far", "lost"]);
  expect(found[0]?.far).toBeCloseTo(0.98, 1);
  expect(nearest(sites, "trauma", undefined)).toEqual([]);
});

test("what lies further north is drawn further up", () => {
  const { place } = frameOf([[113, 28], [114, 29]], 900);
  expect(place(113, 29)[1]).toBeLessThan(place(113, 28)[1]);
  expect(place(114, 28)[0]).toBeGreaterThan(place(113, 28)[0]);
});
