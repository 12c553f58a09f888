import {
  ExperimentOutlined,
  FileTextOutlined,
  MedicineBoxOutlined,
  SafetyOutlined,
  ScheduleOutlined,
  SolutionOutlined,
  ToolOutlined,
} from "@ant-design/icons";
import type { ComponentType } from "react";
import { useTexts } from "../language";
import { showGroup, showSpan, showTitle, showValue, showConcept } from "./show";
import type { Entry, Kind } from "./timeline";

const SIGNS: Record<Kind, ComponentType> = {
  Encounter: ScheduleOutlined,
  Condition: SolutionOutlined,
  Observation: ExperimentOutlined,
  MedicationRequest: MedicineBoxOutlined,
  Procedure: ToolOutlined,
  DiagnosticReport: FileTextOutlined,
  Immunization: SafetyOutlined,
};

/** Entries under the day each belongs to. */
export function TimelineList({ entries, isNew }: { entries: readonly Entry[]; isNew(entry: Entry): boolean }) {
  const texts = useTexts();
  const days: { title: string; entries: Entry[] }[] = [];
  for (const entry of entries) {
    const title = showGroup(texts, entry);
    const day = days.at(-1);
    if (day?.title === title) day.entries.push(entry);
    else days.push({ title, entries: [entry] });
  }
  return (
    <div className="days">
      {days.map((day) => (
        <section key={day.title} className="day">
          <h3>{day.title}</h3>
          <ol>
            {day.entries.map((entry) => (
              <Line key={`${entry.kind}/${entry.id}`} entry={entry} isNew={isNew(entry)} />
            ))}
          </ol>
        </section>
      ))}
    </div>
  );
}

function Line({ entry, isNew }: { entry: Entry; isNew: boolean }) {
  const texts = useTexts();
  const { t, known } = texts;
  const Sign = SIGNS[entry.kind];
  const isVoid = entry.status === "entered-in-error";
  return (
    <li className={`entry entry-${entry.kind}${isNew ? " is-new" : ""}${isVoid ? " is-void" : ""}`}>
      <span className="entry-kind">
        <Sign />
        {t(`kind.${entry.kind}`)}
      </span>
      <div className="entry-body">
        <span className="entry-title">{showTitle(texts, entry)}</span>
        {entry.values.map((value, place) => (
          <span className="entry-value" key={place}>
            {value.name !== undefined && <span className="what">{showConcept(texts, value.name)} </span>}
            {showValue(texts, value)}
            {known("flag", value.flag) !== undefined && <span className="tag tag-grave">{known("flag", value.flag)}</span>}
          </span>
        ))}
        {isNew && <span className="tag tag-new">{t("timeline.new")}</span>}
        {entry.status !== undefined && <span className="tag">{known("status", entry.status) ?? entry.status}</span>}
        {entry.notes.map((note, place) => (
          <span className="entry-note" key={place}>
            {note}
          </span>
        ))}
      </div>
      <span className="entry-time">{showSpan(texts, entry)}</span>
    </li>
  );
}
