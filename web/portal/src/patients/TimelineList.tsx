import {
  AuditOutlined,
  CarryOutOutlined,
  ExperimentOutlined,
  FileOutlined,
  FileTextOutlined,
  MedicineBoxOutlined,
  PictureOutlined,
  ProfileOutlined,
  SafetyOutlined,
  ScheduleOutlined,
  SendOutlined,
  SolutionOutlined,
  ToolOutlined,
  WarningOutlined,
} from "@ant-design/icons";
import type { ComponentType } from "react";
import { useTexts, type Texts } from "../language";
import { showGroup, showSpan, showTitle, showValue, showConcept } from "./show";
import type { Entry, Kind } from "./timeline";

const SIGNS: Record<Kind, ComponentType> = {
  Encounter: ScheduleOutlined,
  Condition: SolutionOutlined,
  AllergyIntolerance: WarningOutlined,
  Observation: ExperimentOutlined,
  DiagnosticReport: FileTextOutlined,
  ImagingStudy: PictureOutlined,
  MedicationRequest: MedicineBoxOutlined,
  Procedure: ToolOutlined,
  Immunization: SafetyOutlined,
  DocumentReference: FileOutlined,
  ServiceRequest: SendOutlined,
  Task: CarryOutOutlined,
  CarePlan: ProfileOutlined,
  Consent: AuditOutlined,
};

/** Whether entries stand under their day, or under the visit they belong to. */
export type Grouping = "day" | "visit";

/** Entries that stand together under one heading. */
interface Together {
  key: string;
  title: string;
  entries: Entry[];
}

/** Entries under the day or the visit each belongs to. A visit stands where its newest entry does. */
function together(texts: Texts, entries: readonly Entry[], grouping: Grouping): Together[] {
  const found = new Map<string, Together>();
  const visits = new Map(entries.filter((entry) => entry.kind === "Encounter").map((entry) => [entry.id, entry]));
  for (const entry of entries) {
    const visit = grouping === "visit" && entry.visit !== undefined ? visits.get(entry.visit) : undefined;
    const day = showGroup(texts, entry);
    const key = visit === undefined ? day : visit.id;
    const title = visit === undefined ? day : `${showTitle(texts, visit)} ${showGroup(texts, visit)}`;
    const group = found.get(key) ?? { key, title, entries: [] };
    group.entries.push(entry);
    found.set(key, group);
  }
  return [...found.values()];
}

export function TimelineList(props: {
  entries: readonly Entry[];
  grouping: Grouping;
  isNew(entry: Entry): boolean;
  placeOf(entry: Entry): string | undefined;
  onOpen(entry: Entry): void;
}) {
  const { entries, grouping, isNew, placeOf, onOpen } = props;
  const texts = useTexts();
  return (
    <div className="days">
      {together(texts, entries, grouping).map((group) => (
        <section key={group.key} className="day">
          <h3>{group.title}</h3>
          <ol>
            {group.entries.map((entry) => (
              <Line
                key={`${entry.kind}/${entry.id}`}
                entry={entry}
                isNew={isNew(entry)}
                place={placeOf(entry)}
                onOpen={() => onOpen(entry)}
              />
            ))}
          </ol>
        </section>
      ))}
    </div>
  );
}

function Line(props: { entry: Entry; isNew: boolean; place: string | undefined; onOpen(): void }) {
  const { entry, isNew, place, onOpen } = props;
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
        <button type="button" className="entry-title" onClick={onOpen}>
          {showTitle(texts, entry)}
        </button>
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
      <span className="entry-end">
        <span className="entry-time">{showSpan(texts, entry)}</span>
        {place !== undefined && <span className="entry-place">{place}</span>}
      </span>
    </li>
  );
}
