import type { Figure, Organization, Patient, Protocol, Task } from "@qingshan/client";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { dayAt } from "../calendar";
import { cited } from "../citations";
import { postOf } from "../duties";
import { useTexts } from "../language";
import { nameOf } from "../patients/person";
import { wholeName } from "../organizations";
import { useRuns } from "../runs/reading";
import { conceptIn, say } from "../runs/words";
import { useService, useSession } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { showMoment } from "../views/Readable";
import { Working } from "../Working";
import { FiguresBy } from "./FiguresBy";
import { behind, meets, periodOf, periods, showFigure, type Part, type Period } from "./figures";

/** The indicators of a protocol over a period, each with the runs behind it. */
export default function Figures({ protocol }: { protocol: Protocol }) {
  const texts = useTexts();
  const { t, locale } = texts;
  const runs = useRuns();
  const session = useSession();
  const own = postOf(session);
  const [period, setPeriod] = useState<Period>("quarter");
  const [institution, setInstitution] = useState(own?.organization ?? "");
  const [isApart, setIsApart] = useState(false);
  const [opened, setOpened] = useState<{ code: string; part: Part }>();
  const institutions = useInstitutions();
  const asked = { ...periodOf(period, dayAt(Date.now())), ...(institution !== "" && { organization: institution }) };
  const figures = useQuery({
    queryKey: ["figures", protocol.code, asked],
    queryFn: ({ signal }) => runs.figures(protocol.code, asked, signal),
    enabled: !isApart,
    placeholderData: keepPreviousData,
  });
  const source = new Map((protocol.indicator ?? []).map((one) => [one.code, one.source]));
  const open = (code: string, part: Part) =>
    setOpened((old) => (old?.code === code && old.part === part ? undefined : { code, part }));
  return (
    <section className="card figures" aria-label={t("protocols.view.figures")}>
      <div className="work-tools">
        <label>
          <span className="what">{t("figures.period")}</span>
          <select value={period} onChange={(event) => setPeriod(event.target.value as Period)}>
            {periods.map((one) => (
              <option key={one} value={one}>
                {t(`figures.period.${one}`)}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span className="what">{t("figures.institution")}</span>
          <select value={institution} onChange={(event) => setInstitution(event.target.value)}>
            <option value="">{t("figures.institution.all")}</option>
            {(institutions.data ?? []).map((one) => (
              <option key={one.id} value={one.id}>
                {one.name}
              </option>
            ))}
          </select>
        </label>
        <span className="what">
          {asked.from} – {asked.to}
        </span>
        <span className="filters" role="group" aria-label={t("figures.view")}>
          {([false, true] as const).map((one) => (
            <button key={String(one)} type="button" className="filter" aria-pressed={one === isApart} onClick={() => setIsApart(one)}>
              {t(one ? "figures.view.apart" : "figures.view.whole")}
            </button>
          ))}
        </span>
      </div>
      {isApart ? (
        <FiguresBy protocol={protocol} period={{ from: asked.from, to: asked.to }} organization={institution === "" ? undefined : institution} />
      ) : (
        <>
          {figures.isPending && <Loading rows={5} />}
          {figures.isError && <FailureNotice cause={figures.error} retry={() => void figures.refetch()} />}
          {figures.data?.length === 0 && <Nothing title={t("figures.none")} />}
          <ul className="figure-list">
            {(figures.data ?? []).map((figure) => (
              <li key={figure.code}>
                <FigureLine figure={figure} open={open} opened={opened?.code === figure.code ? opened.part : undefined} />
                {source.get(figure.code) !== undefined && <p className="what">{t("figures.source", { source: cited(locale, source.get(figure.code) ?? "") })}</p>}
                {opened?.code === figure.code && <Behind ids={behind(figure, opened.part)} label={say(locale, figure.title)} />}
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

function FigureLine(props: { figure: Figure; open(code: string, part: Part): void; opened: Part | undefined }) {
  const { figure, open, opened } = props;
  const texts = useTexts();
  const { t, locale } = texts;
  const isMet = meets(figure);
  const time = figure.kind === "median" || figure.kind === "p90" ? figure.kind : undefined;
  const total = figure.denominator ?? figure.runs.length;
  return (
    <div className="figure">
      <h2>
        {say(locale, figure.title)}
        {time && <span className="what"> {t(`figures.kind.${time}`)}</span>}
      </h2>
      <span className="figure-value">{showFigure(texts, figure, figure.value)}</span>
      <span className="figure-goal">
        {figure.goal !== undefined && (
          <>
            <span className="what">{t("figures.goal", { goal: showFigure(texts, figure, figure.goal) })}</span>{" "}
            {isMet !== undefined && (
              <span className={isMet ? "clock clock-met" : "clock clock-late"}>
                <span aria-hidden>{isMet ? "✓" : "✕"}</span>
                {t(isMet ? "figures.met" : "figures.missed")}
              </span>
            )}
          </>
        )}
      </span>
      {figure.weighed === true ? (
        <Weighed {...props} />
      ) : (
        <span className="figure-behind">
          {figure.kind !== "count" && (
            <button type="button" className="inline-button" aria-expanded={opened === "counted"} disabled={figure.counted.length === 0} onClick={() => open(figure.code, "counted")}>
              {t(time ? "figures.timed" : "figures.numerator", { count: figure.numerator ?? figure.counted.length })}
            </button>
          )}
          <button type="button" className="inline-button" aria-expanded={opened === "runs"} disabled={figure.runs.length === 0} onClick={() => open(figure.code, "runs")}>
            {t("figures.denominator", { count: total })}
          </button>
          {(figure.needs ?? []).map(({ code, title, lacking }) => (
            <button
              key={code}
              type="button"
              className="inline-button"
              aria-expanded={opened === `need:${code}`}
              disabled={lacking.length === 0}
              onClick={() => open(figure.code, `need:${code}`)}
            >
              {t("figures.lacking", { what: say(locale, title), count: lacking.length })}
            </button>
          ))}
        </span>
      )}
    </div>
  );
}

/** Of a figure that sums numbers of runs: the sums, the runs that lack nothing, and those that do. */
function Weighed({ figure, open, opened }: { figure: Figure; open(code: string, part: Part): void; opened: Part | undefined }) {
  const { t } = useTexts();
  const parts = [
    ["others", "figures.weighed.part"],
    ["counted", "figures.weighed.whole"],
  ] as const;
  return (
    <span className="figure-behind">
      <span className="what">{t("figures.weighed.sum", { above: figure.numerator ?? 0, below: figure.denominator })}</span>
      {parts.map(([part, words]) => {
        const count = behind(figure, part).length;
        return (
          <button key={part} type="button" className="inline-button" aria-expanded={opened === part} disabled={count === 0} onClick={() => open(figure.code, part)}>
            {t(words, { count })}
          </button>
        );
      })}
    </span>
  );
}

const FEW = 50;

/** The runs behind a number, each with its patient. */
export function Behind({ ids, label }: { ids: readonly string[]; label: string }) {
  const texts = useTexts();
  const { t, locale } = texts;
  const service = useService();
  const [shown, setShown] = useState(FEW);
  const some = ids.slice(0, shown);
  const runs = useQuery({
    queryKey: ["figures", "runs", ...some],
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => {
      const parts = Array.from({ length: Math.ceil(some.length / FEW) }, (_, part) => some.slice(part * FEW, (part + 1) * FEW));
      const elements = "code,status,businessStatus,for,authoredOn";
      const answers = await service.pages(parts.map((part) => `/fhir/Task?_id=${part.join(",")}&_count=${FEW}&_elements=${elements}`), signal);
      const tasks = answers.flatMap((answer) => ("page" in answer ? (answer.page.found as Task[]) : []));
      const people = [...new Set(tasks.map((task) => task.for?.reference?.replace("Patient/", "")).filter((id) => id !== undefined))];
      const groups = Array.from({ length: Math.ceil(people.length / FEW) }, (_, part) => people.slice(part * FEW, (part + 1) * FEW));
      const found = groups.length === 0 ? [] : await service.pages(groups.map((group) => `/fhir/Patient?_id=${group.join(",")}&_count=${FEW}&_elements=name`), signal);
      const patients = new Map(
        found.flatMap((answer) => ("page" in answer ? (answer.page.found as Patient[]) : [])).map((patient) => [`Patient/${patient.id}`, nameOf(patient)]),
      );
      return new Map(tasks.map((task) => [task.id ?? "", { task, patient: patients.get(task.for?.reference ?? "") }]));
    },
  });
  if (runs.isError && runs.data === undefined) return <FailureNotice cause={runs.error} retry={() => void runs.refetch()} />;
  if (runs.data === undefined) return <Loading rows={3} />;
  return (
    <>
      <ul className="lines behind" aria-label={label}>
        {some.map((id) => {
          const found = runs.data.get(id);
          return (
            <li key={id}>
              <Link href={`/runs/${encodeURIComponent(id)}`}>{found?.patient ?? found?.task.for?.display ?? t("figures.run", { id })}</Link>
              <span className="what">
                {found?.task.authoredOn !== undefined && showMoment(texts, found.task.authoredOn)}
                {" · "}
                {conceptIn(locale, found?.task.businessStatus) ?? (found?.task.status === "in-progress" ? t("run.going") : (texts.known("run.end", found?.task.status) ?? ""))}
              </span>
            </li>
          );
        })}
      </ul>
      {ids.length > shown && (
        <Working block busy={runs.isFetching ? t("state.loading") : undefined} onClick={() => setShown(shown + FEW)}>
          {t("work.more")}
        </Working>
      )}
    </>
  );
}

/** The institutions of the consortium, by name. */
export function useInstitutions() {
  const service = useService();
  return useQuery({
    queryKey: ["institutions"],
    staleTime: 600_000,
    queryFn: async ({ signal }) => {
      const all = await service.all<Organization>("Organization", { active: "true", _elements: "name,type,partOf", _count: "200" }, signal);
      const isConsortium = (one: Organization) =>
        one.type?.some((type) => type.coding?.some((coding) => coding.code === "medical-consortium")) === true;
      const houses = new Map(all.map((one) => [one.id ?? "", one.name ?? ""]));
      const named = all.filter((one) => one.name !== undefined && !isConsortium(one)).map((one) => ({ ...one, name: wholeName(one, houses) }));
      return named.sort((left, right) => left.name.localeCompare(right.name, "zh-CN"));
    },
  });
}
