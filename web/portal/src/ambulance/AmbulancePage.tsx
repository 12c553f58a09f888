import { useEffect, useState } from "react";
import { Link } from "wouter";
import { markOf } from "../board/board";
import { timeAt } from "../calendar";
import { postOf } from "../duties";
import { useTexts } from "../language";
import { useIsOnline, useNow } from "../live";
import { newId } from "../patients/vitals";
import { codingIn, say } from "../runs/words";
import { useSession } from "../session";
import { FailureNotice, Loading } from "../states";
import { begin, happenings, refused, unsent, type Drive, type Happening, type Who } from "./drive";
import { DriveView } from "./DriveView";
import { keepCrew, prepare } from "./offline";
import { useDrives, usePack } from "./useDrives";
import { WhoAndWhere } from "./WhoAndWhere";
import type { Outcome } from "./courier";
import "../runs/runs.css";
import "../board/board.css";
import "./ambulance.css";

/** The tablet in an ambulance: a warning in three touches, and what is found on the way. */
export default function AmbulancePage() {
  const { t, locale } = useTexts();
  const session = useSession();
  const post = postOf(session);
  const { pack, cause, again } = usePack();
  const { drives, outcome, add, change } = useDrives();
  const [chosen, setChosen] = useState<Happening>();
  const [shown, setShown] = useState<string>();
  useEffect(() => {
    keepCrew(session);
    // What could not be put by is put by the next time; until then a line is needed to begin.
    prepare().catch(() => undefined);
  }, [session]);
  const open = (drives ?? []).filter(({ isOver }) => isOver !== true);
  const drive = open.find(({ id }) => id === shown);
  const possible = happenings(pack?.warnings ?? []);
  const titleOf = ({ warning, suspected }: Happening) => (suspected && codingIn(locale, suspected)) ?? say(locale, warning.protocol.title);

  const go = async (who: Who, destination: Drive["destination"]) => {
    if (chosen === undefined || post === undefined) return;
    const own = { reference: `PractitionerRole/${post.role}`, organization: post.organization };
    const words = t("ambulance.words", { what: titleOf(chosen) });
    const asked = { happening: chosen, duties: post.duties, own, destination, who, name: t("ambulance.nobody"), words, account: session.account };
    const begun = begin(asked, Date.now(), newId);
    await add(begun);
    setChosen(undefined);
    setShown(begun.id);
  };
  return (
    <section className="ambulance" aria-label={t("ambulance.title")}>
      <Head drives={drives ?? []} outcome={outcome} onHome={drive === undefined && chosen === undefined ? undefined : () => (setShown(undefined), setChosen(undefined))} />
      {drive !== undefined && (
        <DriveView key={drive.id} drive={drive} change={(act) => change(drive.id, act)} onOver={() => setShown(undefined)} />
      )}
      {drive === undefined && chosen !== undefined && (
        <WhoAndWhere
          title={titleOf(chosen)}
          institutions={pack?.institutions ?? []}
          own={post?.organization}
          pathway={chosen.suspected?.code ?? chosen.warning.protocol.code}
          onGo={go}
        />
      )}
      {drive === undefined && chosen === undefined && (
        <div className="ambulance-home">
          <div>
            <h1>{t("ambulance.what")}</h1>
            {pack === undefined && cause === undefined && <Loading />}
            {pack === undefined && cause !== undefined && <FailureNotice cause={cause} retry={again} />}
            {pack !== undefined && possible.length === 0 && <p className="ambulance-none">{t("ambulance.none")}</p>}
            <ul className="ambulance-tiles">
              {possible.map((one) => (
                <li key={`${one.warning.protocol.code} ${one.suspected?.code ?? ""}`}>
                  <button type="button" className="ambulance-tile" onClick={() => setChosen(one)}>
                    {titleOf(one)}
                  </button>
                </li>
              ))}
            </ul>
          </div>
          {open.length > 0 && (
            <div>
              <h2>{t("ambulance.open")}</h2>
              <ul className="ambulance-open">
                {open.map((one) => (
                  <li key={one.id}>
                    <button type="button" className="ambulance-tile" onClick={() => setShown(one.id)}>
                      <strong>{one.suspected === undefined ? say(locale, one.title) : codingIn(locale, one.suspected)}</strong>
                      <span>{[markOf(one.id), t(`sex.${one.sex}`), one.age !== undefined && t("age.year", { count: one.age }), timeAt(Date.parse(one.began)).slice(0, 5)].filter(Boolean).join(" · ")}</span>
                      {refused(one).length > 0 ? (
                        <span className="ambulance-refused">{t("ambulance.refused", { count: refused(one).length })}</span>
                      ) : (
                        <span className={unsent(one).length > 0 ? "is-waiting" : ""}>
                          {unsent(one).length > 0 ? t("ambulance.waiting", { count: unsent(one).length }) : t("ambulance.delivered.all")}
                        </span>
                      )}
                    </button>
                  </li>
                ))}
              </ul>
            </div>
          )}
        </div>
      )}
    </section>
  );
}

/** How the line stands and what waits for it: always in sight. */
function Head({ drives, outcome, onHome }: { drives: readonly Drive[]; outcome: Outcome; onHome: (() => void) | undefined }) {
  const { t } = useTexts();
  const session = useSession();
  const isOnline = useIsOnline();
  const now = useNow(1_000);
  const waiting = drives.flatMap(unsent).length;
  const bad = drives.flatMap(refused).length;
  const line = !isOnline || outcome === "waiting" ? "off" : waiting > 0 ? "busy" : "on";
  return (
    <header className="ambulance-head">
      {onHome !== undefined && (
        <button type="button" className="ambulance-back" onClick={onHome}>
          ‹ {t("ambulance.home")}
        </button>
      )}
      {bad > 0 && (
        <strong className="ambulance-refused" role="alert">
          {t("ambulance.refused", { count: bad })}
        </strong>
      )}
      {(bad === 0 || line !== "on") && (
        <span className={`ambulance-line is-${line}`} role="status">
          <span aria-hidden>{line === "on" ? "✓ " : line === "busy" ? "↑ " : "✕ "}</span>
          {line === "off" ? (waiting === 0 ? t("ambulance.line.off.none") : t("ambulance.line.off", { count: waiting })) : line === "busy" ? t("ambulance.waiting", { count: waiting }) : t("ambulance.line.on")}
        </span>
      )}
      <span className="ambulance-crew">{session.name}</span>
      <time className="ambulance-clock">{timeAt(now)}</time>
      <Leave waiting={waiting} />
    </header>
  );
}

/** The way to the other screens, with a second press while something waits here: it is sent from this screen alone. */
function Leave({ waiting }: { waiting: number }) {
  const { t } = useTexts();
  const [isAsked, setIsAsked] = useState(false);
  if (waiting > 0 && !isAsked) {
    return (
      <button type="button" className="ambulance-back" onClick={() => setIsAsked(true)}>
        {t("ambulance.leave")}
      </button>
    );
  }
  return (
    <Link className="ambulance-back" href="/work">
      {waiting > 0 ? t("ambulance.leave.waiting", { count: waiting }) : t("ambulance.leave")}
    </Link>
  );
}
