import type { Task } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { screensOf } from "../duties";
import { useTexts } from "../language";
import { about } from "../patients/reading";
import { useService, useSession } from "../session";
import { showMoment } from "../views/Readable";
import { conceptIn } from "./words";

const RUN = "https://qingshan.dev/fhir/CodeSystem/run";

/** The runs that are under way for a person, and the way to start another. */
export default function RunsOf({ id, ids }: { id: string; ids: readonly string[] }) {
  const texts = useTexts();
  const { t, locale } = texts;
  const service = useService();
  const mayStart = screensOf(useSession()).includes("protocols");
  const runs = useQuery({
    queryKey: [...about(id), "runs", ...ids],
    queryFn: ({ signal }) =>
      service.search<Task>(
        "Task",
        { patient: ids.join(","), _tag: `${RUN}|root`, status: "in-progress", _sort: "-authored-on", _elements: "code,businessStatus,authoredOn", _count: "10" },
        signal,
      ),
  });
  const found = runs.data?.found ?? [];
  if (found.length === 0 && !mayStart) return null;
  return (
    <section className="runs-of" aria-label={t("runsOf.title")}>
      {found.map((task) => (
        <Link key={task.id} className="runs-of-run" href={`/runs/${encodeURIComponent(task.id ?? "")}`}>
          <strong>{conceptIn(locale, task.code)}</strong>{" "}
          {conceptIn(locale, task.businessStatus)}
          <span className="what"> {task.authoredOn !== undefined && showMoment(texts, task.authoredOn)}</span>
        </Link>
      ))}
      {mayStart && (
        <Link className="runs-of-start" href={`/protocols?patient=${encodeURIComponent(id)}`}>
          {t("runsOf.start")}
        </Link>
      )}
    </section>
  );
}
