import type { Organization, Patient, Task } from "@qingshan/client";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { Field } from "../Field";
import { useTexts } from "../language";
import { nameOf } from "../patients/person";
import { useService } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { showMoment } from "../views/Readable";
import { Working } from "../Working";
import { namesOf } from "./actors";
import { Judging } from "./Judging";
import { isSelfMade, TASK } from "./review";
import "./work.css";

/** What is asked for: of which institution, and from which day to which. */
interface Filter {
  institution: string;
  from: string;
  to: string;
}

/** Relations to patients that clinicians made for themselves and nobody else confirmed, the newest first. */
export default function TiesPage() {
  const { t, locale } = useTexts();
  const service = useService();
  const [filter, setFilter] = useState<Filter>({ institution: "", from: "", to: "" });
  const institutions = useQuery({
    queryKey: ["ties-of", "institutions"],
    staleTime: 600_000,
    queryFn: ({ signal }) =>
      service.all<Organization>("Organization", { active: "true", type: "prov", _elements: "name", _count: "100" }, signal),
  });
  const waiting = useInfiniteQuery({
    queryKey: ["ties", filter],
    refetchInterval: 60_000,
    initialPageParam: "",
    queryFn: async ({ pageParam, signal }) => {
      const address = pageParam === "" ? `/fhir/Task?${new URLSearchParams(await asked(filter, signal)).toString()}` : pageParam;
      const page = await service.page<Task>(address, signal);
      const tasks = page.found.filter(isSelfMade);
      const ids = [...new Set(tasks.map((task) => task.for?.reference?.split("/")[1]).filter((id) => id !== undefined))];
      const people = ids.length === 0 ? [] : (await service.search<Patient>("Patient", { _id: ids.join(","), _count: "50" }, signal)).found;
      const actors = await namesOf(service, tasks.map((task) => task.requester).filter((one) => one !== undefined), signal);
      const owners = [...new Set(tasks.map((task) => task.owner?.reference?.split("/")[1]).filter((id) => id !== undefined))];
      const houses =
        owners.length === 0 ? [] : (await service.search<Organization>("Organization", { _id: owners.join(","), _elements: "name", _count: "50" }, signal)).found;
      return {
        tasks,
        next: page.next,
        people: new Map(people.map((patient) => [patient.id, nameOf(patient)])),
        houses: new Map(houses.map((house) => [house.id, house.name])),
        actors,
      };
    },
    getNextPageParam: (page) => page.next,
  });
  /** An institution is its departments as well. */
  async function asked({ institution, from, to }: Filter, signal: AbortSignal): Promise<[string, string][]> {
    const params: [string, string][] = [
      ["code", `${TASK}|self-made`],
      ["status", "requested"],
      ["_sort", "-authored-on"],
      ["_count", "50"],
    ];
    if (institution !== "") {
      const parts = await service.all<Organization>("Organization", { partof: institution, type: "dept", _elements: "name", _count: "100" }, signal);
      params.push(["owner", [institution, ...parts.flatMap(({ id }) => id ?? [])].map((id) => `Organization/${id}`).join(",")]);
    }
    if (from !== "") params.push(["authored-on", `ge${from}`]);
    if (to !== "") params.push(["authored-on", `le${to}`]);
    return params;
  }
  const places = (institutions.data ?? [])
    .map((one): [string, string] => [one.id ?? "", one.name ?? ""])
    .sort(([, left], [, right]) => left.localeCompare(right, locale));
  const pages = waiting.data?.pages ?? [];
  return (
    <section className="stack">
      <h1>{t("ties.title")}</h1>
      <p className="hint">{t("ties.help")}</p>
      <div className="ties-filter">
        <Field label={t("ties.institution")}>
          {({ id }) => (
            <select id={id} className="select" value={filter.institution} onChange={(event) => setFilter({ ...filter, institution: event.target.value })}>
              <option value="">{t("ties.everywhere")}</option>
              {places.map(([place, name]) => (
                <option key={place} value={place}>
                  {name}
                </option>
              ))}
            </select>
          )}
        </Field>
        {(["from", "to"] as const).map((end) => (
          <Field key={end} label={t(`ties.${end}`)}>
            {({ id }) => (
              <input id={id} className="select" type="date" value={filter[end]} onChange={(event) => setFilter({ ...filter, [end]: event.target.value })} />
            )}
          </Field>
        ))}
      </div>
      {institutions.isError && <FailureNotice cause={institutions.error} retry={() => void institutions.refetch()} />}
      {waiting.isPending && <Loading rows={5} />}
      {waiting.isError && <FailureNotice cause={waiting.error} retry={() => void waiting.refetch()} />}
      {waiting.isSuccess && pages.every(({ tasks }) => tasks.length === 0) && <Nothing title={t("ties.none")} />}
      {pages.flatMap(({ tasks, people, houses, actors }) =>
        tasks.map((task) => (
          <Made
            key={task.id}
            task={task}
            who={actors.get(task.requester?.reference ?? "")}
            where={houses.get(task.owner?.reference?.split("/")[1])}
            patient={people.get(task.for?.reference?.split("/")[1])}
          />
        )),
      )}
      {waiting.hasNextPage && (
        <Working block busy={waiting.isFetchingNextPage ? t("state.loading") : undefined} onClick={() => void waiting.fetchNextPage()}>
          {t("timeline.more")}
        </Working>
      )}
    </section>
  );
}

function Made({ task, who, where, patient }: { task: Task; who: string | undefined; where: string | undefined; patient: string | undefined }) {
  const texts = useTexts();
  const { t, known } = texts;
  const patientId = task.for?.reference?.split("/")[1];
  const by = task.focus?.reference?.split("/")[0];
  return (
    <article className="card waiting">
      <h2>{t("ties.line", { who: who ?? "–", patient: patient ?? t("patient.nameless") })}</h2>
      <dl className="banner-facts">
        <div>
          <dt>{t("ties.by")}</dt>
          <dd>{known("ties.by", by) ?? by ?? "–"}</dd>
        </div>
        <div>
          <dt>{t("ties.institution")}</dt>
          <dd>{where ?? "–"}</dd>
        </div>
        <div>
          <dt>{t("emergencies.at")}</dt>
          <dd>{task.authoredOn === undefined ? "–" : showMoment(texts, task.authoredOn)}</dd>
        </div>
      </dl>
      <p>
        {patientId !== undefined && <Link href={`/patients/${patientId}?view=looked`}>{t("emergencies.trail")}</Link>}
      </p>
      <Judging task={task} list="ties" good={t("ties.good")} bad={t("ties.bad")} />
    </article>
  );
}
