import type { CarePlan, CodeableConcept, Observation, Resource } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { Drawer } from "antd";
import { useState } from "react";
import { scoreOf } from "../ambulance/scores";
import { bounds } from "../calendar";
import { useTexts } from "../language";
import { showConcept, showValue } from "../patients/show";
import { entryOf, type Value } from "../patients/timeline";
import { useService } from "../session";
import { Loading, within } from "../states";
import PlanView from "./PlanView";
import { Readable, showMoment, showSimple } from "./Readable";
import { ScoreSheet } from "./ScoreSheet";
import { Sparkline, type Point } from "./Sparkline";
import "./views.css";

/** How many values of the same kind a line is drawn of. */
const SERIES = "40";

/** One resource, read out. Its bytes stand at the end for whoever must see them. */
export default function Details(props: {
  resource: Resource;
  title: string;
  place: string | undefined;
  patients: readonly string[];
  /** Whose it is: on a small screen this covers the banner. */
  name: string;
  onClose(): void;
}) {
  const { resource, title, place, patients, name, onClose } = props;
  const texts = useTexts();
  const { t, known } = texts;
  const [isRaw, setIsRaw] = useState(false);
  const kind = known("kind", resource.resourceType) ?? resource.resourceType;
  const isObservation = resource.resourceType === "Observation";
  const { lastUpdated, versionId } = resource.meta ?? {};
  return (
    <Drawer
      open
      onClose={onClose}
      title={title}
      size={560}
      closable={{ "aria-label": t("vitals.close") }}
      rootClassName="details"
      {...within}
    >
      <p className="for-whom">{t("vitals.for", { name })}</p>
      <p className="what">
        {kind}
        {place !== undefined && ` · ${place}`}
      </p>
      {isObservation && <Measured observation={resource as Observation} patients={patients} />}
      {resource.resourceType === "CarePlan" ? (
        <PlanView plan={resource as CarePlan} />
      ) : (
        <Readable
          resource={resource}
          without={isObservation ? ["code", "valueQuantity", "component", "interpretation", "referenceRange", "category"] : []}
        />
      )}
      <footer className="details-end">
        {lastUpdated !== undefined && (
          <p className="what">{t("details.kept", { at: showMoment(texts, lastUpdated), version: versionId ?? "–" })}</p>
        )}
        <button type="button" className="inline-button" aria-expanded={isRaw} onClick={() => setIsRaw(!isRaw)}>
          {t(isRaw ? "details.raw.hide" : "details.raw")}
        </button>
        {isRaw && <pre className="raw">{JSON.stringify(resource, undefined, 2)}</pre>}
      </footer>
    </Drawer>
  );
}

/** What was measured, within which bounds it is expected, and how it went before. */
function Measured({ observation, patients }: { observation: Observation; patients: readonly string[] }) {
  const texts = useTexts();
  const { t, known } = texts;
  const values = entryOf(observation)?.values ?? [];
  const score = scoreOf(observation);
  const { referenceRange } = observation;
  const range = referenceRange?.map((one) => one.text ?? showSimple(texts, "referenceRange", one)).filter(Boolean).join(" · ");
  const line = (value: Value, place: number) => {
    const flag = known("flag", value.flag);
    return (
      <li key={place}>
        {value.name !== undefined && <span className="what">{showConcept(texts, value.name)} </span>}
        <strong>{showValue(texts, value)}</strong>
        {flag !== undefined && <span className="tag tag-grave">{flag}</span>}
      </li>
    );
  };
  return (
    <div className="measured">
      {score === undefined ? <ul>{values.map(line)}</ul> : <ScoreSheet observation={observation} score={score} />}
      {range && <p className="what">{t("details.range", { range })}</p>}
      {(observation.valueQuantity ?? observation.component?.[0]?.valueQuantity) !== undefined && <Trend code={observation.code} patients={patients} />}
    </div>
  );
}

/** The values of one kind over time. */
function Trend({ code, patients }: { code: CodeableConcept; patients: readonly string[] }) {
  const texts = useTexts();
  const { t } = texts;
  const service = useService();
  const coding = code.coding?.find((one) => one.code !== undefined);
  const series = useQuery({
    queryKey: ["patient", patients[0], "series", coding?.system, coding?.code],
    enabled: coding !== undefined,
    queryFn: ({ signal }) =>
      service.search<Observation>(
        "Observation",
        {
          patient: patients.join(","),
          code: `${coding?.system ?? ""}|${coding?.code ?? ""}`,
          _sort: "-date",
          _count: SERIES,
          _elements: "status,code,component,valueQuantity,effectiveDateTime,effectivePeriod,issued",
        },
        signal,
      ),
  });
  if (coding === undefined || series.isError) return null;
  if (series.isPending) return <Loading rows={1} />;
  const points = pointsOf(series.data.found);
  if (points.length < 2) return null;
  const [least, most] = [Math.min(...points.map(({ value }) => value)), Math.max(...points.map(({ value }) => value))];
  return (
    <figure className="trend">
      <Sparkline points={points} width={320} height={72} />
      <figcaption className="what">{t("details.trend", { count: points.length, least, most })}</figcaption>
    </figure>
  );
}

/** The numbers of observations, each at its moment; of a pair such as a blood pressure, the first. */
export function pointsOf(observations: readonly Observation[]): Point[] {
  return observations.flatMap((it) => {
    const at = bounds(it.effectiveDateTime ?? it.effectivePeriod?.start ?? it.issued)?.from;
    const value = it.valueQuantity?.value ?? it.component?.[0]?.valueQuantity?.value;
    return at === undefined || value === undefined || it.status === "entered-in-error" ? [] : [{ at, value }];
  });
}
