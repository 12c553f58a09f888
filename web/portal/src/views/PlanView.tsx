import type { CarePlan, CodeableConcept, Goal, PlannedActivity, Reference, Resource } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { showDate } from "../calendar";
import { useTexts, type Texts } from "../language";
import { showConcept } from "../patients/show";
import { textOf } from "../patients/timeline";
import { useService } from "../session";
import { showMoment } from "./Readable";
import "./views.css";

/** Where the parts of a plan have their codes: a list of the line that wrote it. */
const PART = /^https:\/\/qingshan\.dev\/fhir\/CodeSystem\/[a-z-]+-plan-part$/;

/** Kinds of which one wants to know whether they are done. */
const DUE: ReadonlySet<string | undefined> = new Set(["Task", "Appointment"]);

/** What an activity of a plan is of, in the reader's language. */
function partOf(texts: Texts, detail: PlannedActivity): string {
  const code = detail.code?.coding?.find(({ system = "" }) => PART.test(system))?.code;
  return texts.known("plan.part", code) ?? (detail.code === undefined ? texts.known("kind", detail.kind) : showConcept(texts, detail.code)) ?? texts.t("plan.part.other");
}

/** The activities of a plan under what they are of, in the order of the plan. */
export function groupsOf(texts: Texts, plan: Pick<CarePlan, "activity">): { title: string; activities: PlannedActivity[] }[] {
  const groups = new Map<string, PlannedActivity[]>();
  for (const { detail } of plan.activity ?? []) {
    if (detail === undefined) continue;
    const title = partOf(texts, detail);
    groups.set(title, [...(groups.get(title) ?? []), detail]);
  }
  return [...groups].map(([title, activities]) => ({ title, activities }));
}

/** A plan of care, as somebody reads it who carries it out. */
export default function PlanView({ plan }: { plan: CarePlan }) {
  const texts = useTexts();
  const { t, known, locale } = texts;
  const names = useNames([plan.author, ...(plan.careTeam ?? []), ...(plan.activity ?? []).flatMap(({ detail }) => detail?.performer ?? [])]);
  const goals = useGoals(plan.goal ?? []);
  const { start, end } = plan.period ?? {};
  return (
    <div className="plan">
      <p className="plan-head">
        {plan.description !== undefined && <strong>{plan.description}</strong>}
        <span className={plan.status === "active" ? "tag tag-new" : "tag"}>{known("plan.status", plan.status) ?? plan.status}</span>
        <span className="what">
          {[names(plan.author), start && t(end === undefined ? "timeline.from" : "timeline.until", { from: showMoment(texts, start), to: end === undefined ? "" : showMoment(texts, end) })]
            .filter(Boolean)
            .join(" · ")}
        </span>
      </p>
      <dl className="plan-parts">
        {groupsOf(texts, plan).map(({ title, activities }) => (
          <Part key={title} title={title}>
            {activities.map((detail, place) => (
              <li key={place}>
                <Activity detail={detail} names={names} />
              </li>
            ))}
          </Part>
        ))}
        {goals.length > 0 && (
          <Part title={t("plan.goals")}>
            {goals.flatMap((goal) =>
              (goal.target ?? []).map((target, place) => (
                <li key={`${goal.id} ${place}`}>
                  <strong>{(target.measure && textOf(target.measure)) ?? target.detailString}</strong>
                  {target.dueDate !== undefined && <span className="what">{t("plan.by", { date: showDate(target.dueDate, locale) })}</span>}
                </li>
              )),
            )}
          </Part>
        )}
        {(plan.careTeam ?? []).length > 0 && (
          <Part title={t("plan.team")}>
            {(plan.careTeam ?? []).map((team, place) => (
              <li key={place}>{names(team) ?? t("value.unnamed")}</li>
            ))}
          </Part>
        )}
      </dl>
    </div>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div>
      <dt>{title}</dt>
      <dd>
        <ul>{children}</ul>
      </dd>
    </div>
  );
}

function Activity({ detail, names }: { detail: PlannedActivity; names(one: Reference | undefined): string | undefined }) {
  const texts = useTexts();
  const { t, known, locale } = texts;
  const of = (concept: CodeableConcept | undefined) => concept && textOf(concept);
  const head = of(detail.productCodeableConcept) ?? of(detail.reasonCode?.[0]);
  const { start, end } = detail.scheduledPeriod ?? {};
  const on = (when: string) => showDate(when, locale);
  const isDue = DUE.has(detail.kind);
  const when =
    start !== undefined && end !== undefined
      ? t("timeline.until", { from: on(start), to: on(end) })
      : start !== undefined
        ? isDue
          ? on(start)
          : t("timeline.from", { from: on(start) })
        : end !== undefined
          ? t("plan.by", { date: on(end) })
          : detail.scheduledString;
  const who = (detail.performer ?? []).map(names).filter(Boolean).join(locale === "zh-CN" ? "、" : ", ");
  const isMedicine = detail.kind === "MedicationRequest";
  const rest = [when, detail.location?.display, who && (isMedicine ? t("plan.prescriber", { who }) : who)].filter(Boolean);
  return (
    <>
      {head !== undefined && <strong>{head}</strong>}
      {detail.description !== undefined && <span className="plan-words">{detail.description}</span>}
      {rest.length > 0 && <span className={head === undefined && detail.description === undefined ? "" : "what"}>{rest.join(" · ")}</span>}
      {isDue && <span className={detail.status === "completed" ? "tag" : "tag tag-care"}>{known("plan.done", detail.status) ?? detail.status}</span>}
    </>
  );
}

/** What institutions and teams are called that a plan names. */
function useNames(named: readonly (Reference | undefined)[]): (one: Reference | undefined) => string | undefined {
  const service = useService();
  const unnamed = [...new Set(named.flatMap((one) => (one?.reference !== undefined && one.display === undefined ? [one.reference] : [])))].sort();
  const names = useQuery({
    queryKey: ["plan", "names", ...unnamed],
    enabled: unnamed.length > 0,
    staleTime: 600_000,
    queryFn: async ({ signal }) => {
      const found = await Promise.all(
        ["Organization", "CareTeam"].map(async (type): Promise<[string, string][]> => {
          const of = `${type}/`;
          const ids = unnamed.filter((one) => one.startsWith(of)).map((one) => one.slice(of.length));
          if (ids.length === 0) return [];
          const { found } = await service.search<Resource & { name?: string }>(type, { _id: ids.join(","), _elements: "name", _count: String(ids.length) }, signal);
          return found.map((one) => [`${type}/${one.id ?? ""}`, one.name ?? ""]);
        }),
      );
      return new Map(found.flat());
    },
  });
  return (one) => one?.display ?? names.data?.get(one?.reference ?? "");
}

/** The goals of a plan, as far as they may be read. */
function useGoals(references: readonly Reference[]): Goal[] {
  const service = useService();
  const ids = references.flatMap(({ reference }) => (reference?.startsWith("Goal/") === true ? [reference.slice("Goal/".length)] : []));
  const goals = useQuery({
    queryKey: ["plan", "goals", ...ids],
    enabled: ids.length > 0,
    queryFn: async ({ signal }) => (await service.search<Goal>("Goal", { _id: ids.join(","), _count: String(ids.length) }, signal)).found,
  });
  return goals.data ?? [];
}
