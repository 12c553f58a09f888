import { useState } from "react";
import { Button } from "antd";
import { dayAt, showTime } from "../calendar";
import { hasDuty, postOf } from "../duties";
import { useTexts } from "../language";
import { useSession } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { useDay } from "../places/PlaceList";
import { Announcement } from "./Announcement";
import { Bookings } from "./Bookings";
import { MonthFigures } from "./MonthFigures";
import { PlanSession } from "./PlanSession";
import { aboutOf, later, mondayOf, useSessions, type ExpertSession } from "./reading";
import { TurnWeek } from "./Turn";

type View = "week" | "month";

/** The rota of a week by place, and what a month came to. */
export function ForStaff() {
  const { t } = useTexts();
  const session = useSession();
  const [view, setView] = useState<View>("week");
  const [monday, setMonday] = useState(() => mondayOf(dayAt(Date.now())));
  const [isPlanning, setIsPlanning] = useState(false);
  const [opened, setOpened] = useState<string>();
  const [isAnnouncing, setIsAnnouncing] = useState(false);
  const sessions = useSessions(monday, later(monday, 7));
  // Who may is decided by the record; the button only keeps the way short.
  const mayPlan = hasDuty(session, "referral-officer", "registrar", "doctor", "nurse");
  const all = sessions.data ?? [];
  const chosen = all.find(({ id }) => id === opened);
  if (isAnnouncing) return <Announcement sessions={all.filter((one) => !one.isCancelled)} from={monday} onClose={() => setIsAnnouncing(false)} />;
  return (
    <section className="sessions">
      <header className="sessions-head">
        <h1>{t("experts.title")}</h1>
        <div className="filters" role="group" aria-label={t("experts.view")}>
          {(["week", "month"] as const).map((one) => (
            <button key={one} type="button" className="filter" aria-pressed={view === one} onClick={() => setView(one)}>
              {t(`experts.view.${one}`)}
            </button>
          ))}
        </div>
        <span className="sessions-actions">
          {view === "week" && (
            <Button disabled={all.length === 0} onClick={() => setIsAnnouncing(true)}>
              {t("experts.announce")}
            </Button>
          )}
          {mayPlan && (
            <Button type="primary" onClick={() => setIsPlanning(true)}>
              {t("experts.plan")}
            </Button>
          )}
        </span>
      </header>
      {view === "month" ? (
        <MonthFigures />
      ) : (
        <>
          <TurnWeek monday={monday} onTurn={setMonday} />
          {sessions.isPending && <Loading rows={6} />}
          {sessions.isError && <FailureNotice cause={sessions.error} retry={() => void sessions.refetch()} />}
          {sessions.data !== undefined && all.length === 0 && <Nothing title={t("experts.week.none")} help={t("experts.week.none.help")} />}
          {all.length > 0 && <Rota monday={monday} sessions={all} opened={opened} onOpen={setOpened} />}
          {chosen !== undefined && <Bookings key={chosen.id} session={chosen} onClose={() => setOpened(undefined)} />}
        </>
      )}
      {isPlanning && <PlanSession place={postOf(session)?.organization} onClose={() => setIsPlanning(false)} />}
    </section>
  );
}

/** A row for each place, a column for each day. */
function Rota(props: { monday: string; sessions: readonly ExpertSession[]; opened: string | undefined; onOpen(id: string | undefined): void }) {
  const { monday, sessions, opened, onOpen } = props;
  const { t } = useTexts();
  const { weekday } = useDay();
  const days = Array.from({ length: 7 }, (_, day) => later(monday, day));
  const houses = [...new Map(sessions.map(({ place }) => [place.reference, place])).values()];
  const today = dayAt(Date.now());
  return (
    <div className="rota-frame">
      <table className="rota">
        <thead>
          <tr>
            <th scope="col">{t("experts.place")}</th>
            {days.map((day) => (
              <th key={day} scope="col" aria-current={day === today ? "date" : undefined}>
                {weekday(day)} <span className="what measure">{day.slice(5)}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {houses.map((house) => (
            <tr key={house.reference}>
              <th scope="row">{house.name}</th>
              {days.map((day) => (
                <td key={day}>
                  {sessions
                    .filter(({ place, start }) => place.reference === house.reference && dayAt(Date.parse(start)) === day)
                    .map((one) => (
                      <button
                        key={one.id}
                        type="button"
                        className={one.isCancelled ? "rota-session is-off" : "rota-session"}
                        aria-expanded={opened === one.id}
                        data-session={one.id}
                        onClick={() => onOpen(opened === one.id ? undefined : one.id)}
                      >
                        <span className="measure">
                          {showTime(one.start)}–{showTime(one.end)}
                        </span>
                        <strong>{one.expert}</strong>
                        <span className="what">{aboutOf(one)}</span>
                        <span>{one.isCancelled ? t("experts.calledOff") : t("experts.taken.of", { taken: one.places - one.free, places: one.places })}</span>
                      </button>
                    ))}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
