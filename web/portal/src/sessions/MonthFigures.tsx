import { useState } from "react";
import { dayAt, showDate } from "../calendar";
import { useTexts } from "../language";
import { FailureNotice, Loading, Nothing } from "../states";
import { monthOf, useSessions, type ExpertSession } from "./reading";
import { Turn } from "./Turn";

/** What one place came to in a month. */
interface Line {
  name: string;
  sessions: number;
  experts: number;
  places: number;
  seen: number;
  missed: number;
}

/** Adds sessions up by place; those that were called off are not among them. */
export function linesOf(sessions: readonly ExpertSession[]): Line[] {
  const held = sessions.filter((one) => !one.isCancelled);
  const houses = [...new Map(held.map(({ place }) => [place.reference, place.name]))];
  return houses.map(([reference, name]) => {
    const own = held.filter(({ place }) => place.reference === reference);
    const sum = (of: (one: ExpertSession) => number) => own.reduce((total, one) => total + of(one), 0);
    return {
      name,
      sessions: own.length,
      experts: new Set(own.map(({ expert }) => expert)).size,
      places: sum(({ places }) => places),
      seen: sum(({ seen }) => seen),
      missed: sum(({ missed }) => missed),
    };
  });
}

/** How many sessions there were in a month, and how many patients were seen in them. */
export function MonthFigures() {
  const { t, locale } = useTexts();
  const [month, setMonth] = useState(() => monthOf(dayAt(Date.now())));
  const sessions = useSessions(month, monthOf(month, 1));
  const lines = linesOf(sessions.data ?? []);
  const total = (of: (line: Line) => number) => lines.reduce((sum, line) => sum + of(line), 0);
  return (
    <section aria-label={t("experts.view.month")}>
      <Turn label={t("experts.month")} before={t("experts.month.before")} after={t("experts.month.after")} onTurn={(by) => setMonth(monthOf(month, by))}>
        {showDate(month.slice(0, 7), locale)}
      </Turn>
      {sessions.isPending && <Loading rows={5} />}
      {sessions.isError && <FailureNotice cause={sessions.error} retry={() => void sessions.refetch()} />}
      {sessions.data !== undefined && lines.length === 0 && <Nothing title={t("experts.month.none")} />}
      {lines.length > 0 && (
        <div className="rota-frame">
          <table className="rota figures-table">
            <thead>
              <tr>
                <th scope="col">{t("experts.place")}</th>
                {(["sessions", "experts", "places", "seen", "missed"] as const).map((one) => (
                  <th key={one} scope="col">
                    {t(`experts.figure.${one}`)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {lines.map((line) => (
                <tr key={line.name}>
                  <th scope="row">{line.name}</th>
                  <td>{line.sessions}</td>
                  <td>{line.experts}</td>
                  <td>{line.places}</td>
                  <td>{line.seen}</td>
                  <td>{line.missed}</td>
                </tr>
              ))}
            </tbody>
            <tfoot>
              <tr>
                <th scope="row">{t("experts.figure.all")}</th>
                <td>{total((line) => line.sessions)}</td>
                <td>{new Set((sessions.data ?? []).filter((one) => !one.isCancelled).map(({ expert }) => expert)).size}</td>
                <td>{total((line) => line.places)}</td>
                <td data-seen>{total((line) => line.seen)}</td>
                <td>{total((line) => line.missed)}</td>
              </tr>
            </tfoot>
          </table>
        </div>
      )}
    </section>
  );
}
