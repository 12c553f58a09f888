import type { Parameter, Parameters, Service } from "@qingshan/client";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useService } from "../session";

/** Why a site is not gone to, or what to mind about one. */
export interface Reason {
  code: string;
  detail: string | undefined;
  value: number | undefined;
  limit: number | undefined;
  unit: string | undefined;
}

/** A site as an answer names it. */
export interface Named {
  location: string;
  site: string;
  institution: string;
  name: string;
  english: string | undefined;
}

/** A site with the way there. */
export interface Site extends Named {
  level: string | undefined;
  hotline: string | undefined;
  /** Minutes on the way; nothing where nobody knows where it is. */
  way: number | undefined;
  kilometres: number | undefined;
  isByRoad: boolean;
  /** Minutes from now to the treatment. */
  minutes: number | undefined;
  treatment: { code: string; minutes: number; isAssumed: boolean } | undefined;
  warnings: Reason[];
  reasons: Reason[];
}

/** One rule, whether it held, and the number it went by. */
export interface Step {
  rule: string;
  held: boolean;
  value: number | undefined;
  limit: { value: number; unit: string } | undefined;
  source: string | undefined;
  detail: string | undefined;
}

/** Where to, and why. */
export interface Routed {
  asOf: string;
  pathway: string;
  rule: string;
  chosen: Site | undefined;
  alternatives: Site[];
  rejected: Site[];
  wish: (Named & { wayLost: number | undefined; lost: number | undefined; isRejected: boolean }) | undefined;
  trace: Step[];
  warnings: Reason[];
}

/** What is asked. */
export interface Question {
  pathway: string;
  latitude: number;
  longitude: number;
  unstable?: boolean | undefined;
  "last-well"?: string | undefined;
  contact?: string | undefined;
  lams?: number | undefined;
  tier?: number | undefined;
  colour?: string | undefined;
  weeks?: number | undefined;
  rural?: boolean | undefined;
  wish?: string | undefined;
}

type Parts = readonly Parameter[] | undefined;
const all = (of: Parts, name: string): Parameter[] => (of ?? []).filter((part) => part.name === name);
const one = (of: Parts, name: string): Parameter | undefined => all(of, name)[0];
const code = (of: Parts, name: string) => one(of, name)?.valueCode;
const text = (of: Parts, name: string) => one(of, name)?.valueString;
const number = (of: Parts, name: string) => one(of, name)?.valueDecimal;

const reasonOf = ({ part }: Parameter): Reason => ({
  code: code(part, "code") ?? "",
  detail: text(part, "detail"),
  value: number(part, "value"),
  limit: number(part, "limit"),
  unit: code(part, "unit"),
});

const namedOf = (part: Parts): Named => ({
  location: one(part, "location")?.valueReference?.reference ?? "",
  site: one(part, "location")?.valueReference?.display ?? "",
  institution: one(part, "institution")?.valueReference?.reference ?? "",
  name: one(part, "institution")?.valueReference?.display ?? "",
  english: text(part, "english"),
});

function siteOf({ part }: Parameter): Site {
  const treatment = one(part, "treatment")?.part;
  return {
    ...namedOf(part),
    level: code(part, "level"),
    hotline: text(part, "hotline"),
    way: number(part, "way"),
    kilometres: number(part, "kilometres"),
    isByRoad: one(part, "by-road")?.valueBoolean === true,
    minutes: number(part, "minutes"),
    treatment: treatment && {
      code: code(treatment, "code") ?? "",
      minutes: number(treatment, "minutes") ?? 0,
      isAssumed: one(treatment, "assumed")?.valueBoolean === true,
    },
    warnings: all(part, "warning").map(reasonOf),
    reasons: all(part, "reason").map(reasonOf),
  };
}

/** Reads what `$route` answers. */
export function readRouted({ parameter }: Parameters): Routed {
  const chosen = one(parameter, "chosen");
  const wish = one(parameter, "wish")?.part;
  return {
    asOf: one(parameter, "as-of")?.valueInstant ?? "",
    pathway: code(parameter, "pathway") ?? "",
    rule: code(parameter, "rule") ?? "",
    chosen: chosen && siteOf(chosen),
    alternatives: all(parameter, "alternative").map(siteOf),
    rejected: all(parameter, "rejected").map(siteOf),
    wish: wish && { ...namedOf(wish), wayLost: number(wish, "way-lost"), lost: number(wish, "lost"), isRejected: one(wish, "rejected")?.valueBoolean === true },
    trace: all(parameter, "step").map(({ part }) => {
      const limit = one(part, "limit") as (Parameter & { valueQuantity?: { value?: number; unit?: string } }) | undefined;
      return {
        rule: code(part, "rule") ?? "",
        held: one(part, "held")?.valueBoolean === true,
        value: number(part, "value"),
        limit: limit?.valueQuantity?.value === undefined ? undefined : { value: limit.valueQuantity.value, unit: limit.valueQuantity.unit ?? "" },
        source: text(part, "source"),
        detail: text(part, "detail") ?? one(part, "institution")?.valueReference?.display,
      };
    }),
    warnings: all(parameter, "warning").map(reasonOf),
  };
}

const DECIMALS = new Set(["latitude", "longitude"]);

/** Asks where to. */
export async function ask(service: Service, question: Question, signal?: AbortSignal): Promise<Routed> {
  const parameter = Object.entries(question).flatMap(([name, value]): Parameter[] => {
    if (value === undefined || value === "") return [];
    if (typeof value === "boolean") return [{ name, valueBoolean: value }];
    if (typeof value === "number") return [DECIMALS.has(name) ? { name, valueDecimal: value } : { name, valueInteger: value }];
    return [name === "wish" ? { name, valueReference: { reference: value } } : { name, valueString: String(value) }];
  });
  return readRouted(await service.operation<Parameters>("HealthcareService/$route", { resourceType: "Parameters", parameter }, signal));
}

/** Where to, as of when it was asked; nothing while nobody knows where the patient is. */
export function useRouted(question: Question | undefined) {
  const service = useService();
  return useQuery<Routed>({
    queryKey: ["route", question],
    // While something is asked anew, what was answered a moment ago stays on the screen.
    placeholderData: keepPreviousData,
    enabled: question !== undefined,
    // Who takes patients is told as of now; nothing older stands in for it.
    staleTime: 0,
    gcTime: 0,
    refetchInterval: 60_000,
    queryFn: ({ signal }) => ask(service, question as Question, signal),
  });
}

export const TAKINGS = ["open", "limited", "diverted"] as const;
export type Taking = (typeof TAKINGS)[number];

/** What was said of what a centre takes. */
export interface Live {
  status: Taking;
  said: string;
  reason: string | undefined;
}

/** A row of the registry. */
export interface Row {
  service: string;
  name: string;
  pathway: string;
  level: string | undefined;
  capabilities: string[];
  hotline: string | undefined;
  certified: string | undefined;
  suspended: string | undefined;
  figures: { code: string; value: number; from: string; to: string }[];
  live: Live | undefined;
  findings: Reason[];
}

/** A site of the registry. */
export interface Registered extends Named {
  isOwn: boolean;
  rows: Row[];
}

/** The registry as it was at a moment. */
export interface Registry {
  asOf: string;
  /** From how many minutes on a status is not known any more. */
  stale: number;
  isEditor: boolean;
  sites: Registered[];
}

/** Reads what `$registry` answers. */
export function readRegistry({ parameter }: Parameters): Registry {
  return {
    asOf: one(parameter, "as-of")?.valueInstant ?? "",
    stale: number(parameter, "stale") ?? 0,
    isEditor: one(parameter, "edits")?.valueBoolean === true,
    sites: all(parameter, "site").map(({ part }) => ({
      ...namedOf(part),
      isOwn: one(part, "own")?.valueBoolean === true,
      rows: all(part, "row").map(({ part: row }) => {
        const live = one(row, "live")?.part;
        return {
          service: one(row, "service")?.valueReference?.reference ?? "",
          name: one(row, "service")?.valueReference?.display ?? "",
          pathway: code(row, "pathway") ?? "",
          level: code(row, "level"),
          capabilities: all(row, "capability").flatMap(({ valueCode }) => valueCode ?? []),
          hotline: text(row, "hotline"),
          certified: one(row, "certified-until")?.valueDate,
          suspended: code(row, "suspended"),
          figures: all(row, "figure").map(({ part: figure }) => ({
            code: code(figure, "code") ?? "",
            value: number(figure, "value") ?? 0,
            from: one(figure, "quarter")?.valuePeriod?.start ?? "",
            to: one(figure, "quarter")?.valuePeriod?.end ?? "",
          })),
          live: live && { status: code(live, "status") as Taking, said: one(live, "said")?.valueInstant ?? "", reason: text(live, "reason") },
          findings: all(row, "finding").map(reasonOf),
        };
      }),
    })),
  };
}

/** The registry, asked for anew every half minute. */
export function useRegistry() {
  const service = useService();
  return useQuery({
    queryKey: ["registry"],
    refetchInterval: 30_000,
    queryFn: async ({ signal }) => readRegistry(await service.operation<Parameters>("HealthcareService/$registry", undefined, signal)),
  });
}

/** What a status is worth at a moment: what was said, or unknown when it is too old or from the future. */
export function worth(live: Live | undefined, stale: number, now: number): { taking: Taking | "unknown"; minutes: number | undefined } {
  if (live === undefined) return { taking: "unknown", minutes: undefined };
  const age = (now - Date.parse(live.said)) / 60_000;
  return { taking: age > stale || age < -1 ? "unknown" : live.status, minutes: Math.max(0, Math.floor(age)) };
}

/** Says what a centre takes. */
export function tell(service: Service, row: string, status: Taking, reason: string): Promise<unknown> {
  const parameter: Parameter[] = [{ name: "status", valueCode: status }];
  if (reason !== "") parameter.push({ name: "reason", valueString: reason });
  return service.operation(`${row}/$status`, { resourceType: "Parameters", parameter });
}

/** Suspends a centre; without a reason that is lifted. */
export function suspend(service: Service, row: string, reason: string | undefined): Promise<unknown> {
  const parameter: Parameter[] = reason === undefined ? [{ name: "lift", valueBoolean: true }] : [{ name: "reason", valueCode: reason }];
  return service.operation(`${row}/$suspend`, { resourceType: "Parameters", parameter });
}

/** An edition of the map. */
export interface Edition {
  number: number;
  isDraft: boolean;
  sites: number;
  from: string | undefined;
  note: string | undefined;
}

/** Reads what `$map-editions` answers. */
export const readEditions = ({ parameter }: Parameters): Edition[] =>
  all(parameter, "edition").map(({ part }) => ({
    number: one(part, "number")?.valueInteger ?? 0,
    isDraft: one(part, "draft")?.valueBoolean === true,
    sites: one(part, "sites")?.valueInteger ?? 0,
    from: one(part, "from")?.valueDate,
    note: text(part, "note"),
  }));

/** What is different between two editions. */
export interface Difference {
  joined: { institution: string; row: string }[];
  left: { institution: string; row: string }[];
  changed: { institution: string; row: string; what: string; before: string | undefined; after: string | undefined }[];
}

/** Reads what `$map-difference` answers. */
export function readDifference({ parameter }: Parameters): Difference {
  const words = ({ part }: Parameter) => ({ institution: text(part, "institution") ?? "", row: text(part, "row") ?? "" });
  return {
    joined: all(parameter, "joined").map(words),
    left: all(parameter, "left").map(words),
    changed: all(parameter, "changed").map((one_) => ({
      ...words(one_),
      what: code(one_.part, "what") ?? "",
      before: text(one_.part, "before"),
      after: text(one_.part, "after"),
    })),
  };
}
