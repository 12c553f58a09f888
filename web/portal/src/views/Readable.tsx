import type { CodeableConcept, Coding, HumanName, Identifier, Period, Quantity, Reference, Resource } from "@qingshan/client";
import type { ReactNode } from "react";
import { showDate, showTime } from "../calendar";
import { useTexts, type Texts } from "../language";
import { kindOf, masked, nameOf } from "../patients/person";
import { showConcept } from "../patients/show";

/** Members that say how a resource is kept and not what it says, or that the screen around it tells already. */
const SILENT = new Set([
  "resourceType",
  "id",
  "meta",
  "text",
  "contained",
  "implicitRules",
  "language",
  "extension",
  "modifierExtension",
  "subject",
  "patient",
]);

/** Suffixes by which an element of several types tells its type. <http://hl7.org/fhir/R4/formats.html#choice> */
const CHOICES =
  /(?<=^(?:value|effective|onset|abatement|performed|occurrence|medication|deceased|multipleBirth|rate|dose|timing|product|asNeeded|scheduled|serviced|reported))(?:Boolean|Integer|Decimal|String|Code|Uri|DateTime|Date|Time|Instant|Period|Quantity|CodeableConcept|Coding|Reference|Range|Ratio|Age|Timing|Attachment|SampledData|Identifier)$/;

type Tree = Readonly<Record<string, unknown>>;

/** Any resource as a list of what it says, with the names of its elements in the reader's language. */
export function Readable({ resource, without = [] }: { resource: Resource; without?: readonly string[] }) {
  return <Elements tree={resource as unknown as Tree} without={without} depth={0} />;
}

function Elements({ tree, without, depth }: { tree: Tree; without: readonly string[]; depth: number }) {
  const texts = useTexts();
  const shown = Object.entries(tree).filter(([name]) => !SILENT.has(name) && !name.startsWith("_") && !without.includes(name));
  return (
    <dl className={depth === 0 ? "readable" : "readable readable-within"}>
      {shown.map(([name, value]) => (
        <div key={name}>
          <dt>{showElement(texts, name)}</dt>
          <dd>
            <Value name={name} value={value} depth={depth} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** What an element is called; where the catalogue has no word, its official name taken apart. */
function showElement({ known }: Texts, name: string): string {
  const bare = name.replace(CHOICES, "");
  return known("element", bare) ?? bare.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
}

function Value({ name, value, depth }: { name: string; value: unknown; depth: number }): ReactNode {
  const texts = useTexts();
  if (Array.isArray(value)) {
    const plain = value.map((part) => showSimple(texts, name, part));
    if (plain.every((part) => part !== undefined)) return plain.join(" · ");
    return (
      <ol className="several">
        {value.map((part, place) => (
          <li key={place}>
            <Value name={name} value={part} depth={depth} />
          </li>
        ))}
      </ol>
    );
  }
  const simple = showSimple(texts, name, value);
  if (simple !== undefined) return simple;
  return <Elements tree={value as Tree} without={[]} depth={depth + 1} />;
}

/** A value of one of the general types in one line; nothing when it is a group of elements. */
export function showSimple(texts: Texts, name: string, value: unknown): string | undefined {
  const { t, known } = texts;
  if (typeof value === "boolean") return t(value ? "value.yes" : "value.no");
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return showText(texts, name, value);
  if (typeof value !== "object" || value === null) return "";
  const it = value as Tree;
  if ("coding" in it || (typeof it["text"] === "string" && Object.keys(it).length === 1)) {
    const code = (it as CodeableConcept).coding?.[0]?.code;
    return known("status", code) ?? known("duty", code) ?? showConcept(texts, it as CodeableConcept);
  }
  if ("code" in it && "system" in it && !("value" in it)) {
    const coding = it as Coding;
    return known("setting", coding.code) ?? coding.display ?? coding.code;
  }
  if ("reference" in it || ("display" in it && Object.keys(it).length <= 2)) return showReference(texts, it as Reference);
  if (typeof it["value"] === "number" && ("unit" in it || "code" in it || Object.keys(it).length === 1)) {
    return showQuantity(it as Quantity);
  }
  if (("start" in it || "end" in it) && Object.keys(it).every((key) => key === "start" || key === "end")) {
    return showPeriod(texts, it as Period);
  }
  if ("low" in it || "high" in it) return showRange(texts, it);
  if ("numerator" in it) return `${showSimple(texts, name, it["numerator"])} / ${showSimple(texts, name, it["denominator"])}`;
  if ("family" in it || "given" in it) return nameOf({ name: [it as HumanName] });
  if (name === "identifier" && "value" in it) {
    const identifier = it as Identifier;
    const kind = kindOf(identifier);
    return `${"key" in kind ? t(kind.key) : kind.text} ${masked(identifier)}`;
  }
  if (name === "telecom" || name === "contact") return typeof it["value"] === "string" ? it["value"] : undefined;
  if (name === "note" && typeof it["text"] === "string") return it["text"];
  if (name === "dosageInstruction" && typeof it["text"] === "string") return it["text"];
  if ("contentType" in it || "url" in it) return [it["title"], it["contentType"]].filter(Boolean).join(" · ") || undefined;
  return undefined;
}

/** A range, also one that is open at an end. */
function showRange(texts: Texts, range: Tree): string {
  const end = (name: "low" | "high") => (range[name] === undefined ? undefined : showSimple(texts, name, range[name]));
  const [low, high] = [end("low"), end("high")];
  if (low !== undefined && high !== undefined) return `${low} – ${high}`;
  return low === undefined ? `≤ ${high}` : `≥ ${low}`;
}

function showQuantity({ comparator, value, unit, code }: Quantity): string {
  return `${comparator ?? ""}${value} ${unit ?? code ?? ""}`.trim();
}

function showPeriod(texts: Texts, { start, end }: Period): string {
  if (start !== undefined && end !== undefined) {
    return texts.t("timeline.until", { from: showMoment(texts, start), to: showMoment(texts, end) });
  }
  return start === undefined ? showMoment(texts, end ?? "") : texts.t("timeline.from", { from: showMoment(texts, start) });
}

/** A day, and the time of day if it is known. */
export function showMoment({ locale }: Pick<Texts, "locale">, when: string): string {
  return [showDate(when, locale), showTime(when)].filter(Boolean).join(" ");
}

function showReference({ known }: Texts, { display, reference }: Reference): string {
  if (display !== undefined) return display;
  const [type = "", id = ""] = (reference ?? "").split("/");
  return `${known("kind", type) ?? type} ${id}`.trim();
}

const DATE = /^\d{4}(-\d\d(-\d\d(T\d\d:\d\d.*)?)?)?$/;

function showText(texts: Texts, name: string, value: string): string {
  if (DATE.test(value) && !/^(value|version|number)$/.test(name)) return showMoment(texts, value);
  if (/^(status|intent|priority|criticality|gender|use|mode|docStatus)$/.test(name)) {
    return texts.known("status", value) ?? texts.known("criticality", value) ?? value;
  }
  return value;
}
