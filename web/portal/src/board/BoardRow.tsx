import type { PagingTrouble, Patient, Protocol, RunClock, RunStep, RunView } from "@qingshan/client";
import { memo, useMemo } from "react";
import { Link } from "wouter";
import { timeAt } from "../calendar";
import { useTexts, type Texts } from "../language";
import { nameOf as nameOfPatient } from "../patients/person";
import { useShown } from "../patients/show";
import { TroubleMarks } from "../paging/Pages";
import { ClockBar, ClockMark } from "../runs/ClockMark";
import { say, showLength } from "../runs/words";
import { FRESH, type Way } from "../runs/position";
import { isDrill, markOf, nextIn, openClocks, pathwaysOf, placeOf, shortened, suspectedOf, teamOf, worstOf, type Case, type Next, type Place, type Reckoned, type Road } from "./board";
import { faceOf } from "./face";

/** Clocks that stand in a row, where there is room and on a wall; what else runs is counted. */
const mostOf = (isWall: boolean): number => (isWall ? 2 : 3);

interface Props {
  one: Case;
  protocols: ReadonlyMap<string, Protocol>;
  /** What was last told from the road. */
  road: Road | undefined;
  /** A crew warned, so that a vehicle tells where it is. */
  isCrewed: boolean;
  /** What stands between it and the people it called. */
  troubles: readonly PagingTrouble[];
  now: number;
  isWall: boolean;
  /** What is shown may no longer be so. */
  isStale: boolean;
  /** As of when it was so, in milliseconds since 1970. */
  asOf: number;
}

/** What a row is drawn from, of which as much as can be is found out once for each change and not each second. */
interface Drawn extends Omit<Props, "one"> {
  runs: readonly RunView[];
  patient: Patient | undefined;
  place: Place;
  next: Next;
  /** What goes on by itself: where it is the same, the row looks the same at another moment. */
  face: string;
}

function isSame(before: Drawn, after: Drawn): boolean {
  if (before.face !== after.face || before.runs !== after.runs || before.patient !== after.patient) return false;
  if (before.place !== after.place || before.next !== after.next || before.protocols !== after.protocols) return false;
  if (before.road?.position !== after.road?.position || before.isCrewed !== after.isCrewed) return false;
  if (before.isWall !== after.isWall || before.isStale !== after.isStale) return false;
  if (after.isStale && before.asOf !== after.asOf) return false;
  return JSON.stringify(before.troubles) === JSON.stringify(after.troubles);
}

/** One patient: which pathway, where they are, which clocks run, what is next and who is waited for. */
export function BoardRow({ one, ...rest }: Props) {
  const { runs, patient } = one;
  const { protocols, road, now } = rest;
  const next = useMemo(() => nextIn({ runs }, (run) => protocols.get(run.protocol.code)), [runs, protocols]);
  const place = useMemo(() => placeOf(runs, road), [runs, road]);
  const face = faceOf(runs, place, road, next.step, mostOf(rest.isWall), now);
  return <Row {...rest} runs={runs} patient={patient} place={place} next={next} face={face} />;
}

const Row = memo(function Row({ runs, patient, protocols, place, next, road, isCrewed, troubles, now, isWall, isStale, asOf }: Drawn) {
  const texts = useTexts();
  const { t, locale } = texts;
  const clocks = openClocks(runs);
  const most = mostOf(isWall);
  const isMadeUp = isDrill({ patient });
  const level = worstOf(runs, now) ?? "none";
  return (
    <li className={`board-row is-${level}${isMadeUp ? " is-drill" : ""}${isStale ? " is-stale" : ""}`}>
      <Link href={`/runs/${encodeURIComponent(runs[0]?.id ?? "")}`} className="board-link">
        <span className="board-who">
          <span className="board-path">
            {pathwaysOf({ runs }).map((run) => (
              <span key={run.id}>
                <Pathway run={run} protocols={protocols} />
                {run.class !== undefined && <span className="board-class">{say(locale, run.class.title)}</span>}
              </span>
            ))}
            {isMadeUp && <span className="board-drill">{t("board.drill")}</span>}
          </span>
          <Who runs={runs} patient={patient} isWall={isWall} />
        </span>
        <Where place={place} road={road} isCrewed={isCrewed} now={now} />
        <span className="board-clocks">
          {clocks.slice(0, most).map((clock) => (
            <Clock key={`${clock.code} ${clock.n}`} clock={clock} now={now} />
          ))}
          {clocks.length > most && <span className="what">{t("board.clocks.more", { count: clocks.length - most })}</span>}
          {clocks.length === 0 && <span className="what">{t("clock.none")}</span>}
        </span>
        <NextAction next={next} now={now} />
        <Answered runs={runs} />
        <TroubleMarks troubles={troubles} />
        {isStale && <span className="board-stale">{t("board.stale", { time: timeAt(asOf).slice(0, 5) })}</span>}
      </Link>
    </li>
  );
}, isSame);

/** The pathway; while nobody has begun one, what is suspected says more than that somebody is on the way. */
function Pathway({ run, protocols }: { run: RunView; protocols: ReadonlyMap<string, Protocol> }) {
  const { t, known, locale } = useTexts();
  const what = suspectedOf(run);
  // Something else is suspected than anything there is a pathway for: that says no more than that it is an emergency.
  if (what === undefined || what === "" || what === "other") return say(locale, run.protocol.title);
  const protocol = protocols.get(what);
  return <strong>{t("board.suspected", { what: protocol === undefined ? (known("routing.pathway", what) ?? what) : say(locale, protocol.title) })}</strong>;
}

function Who({ runs, patient, isWall }: { runs: readonly RunView[]; patient: Patient | undefined; isWall: boolean }) {
  const { t } = useTexts();
  const name = (patient && nameOfPatient(patient)) ?? runs[0]?.patient?.display;
  const family = patient?.name?.find(({ use }) => use === "official")?.family ?? patient?.name?.[0]?.family;
  // Nobody is identified by what they are called for the time being, so it is not shortened.
  const isNobody = patient?.name?.some(({ use }) => use === "anonymous" || use === "temp") === true;
  const mark = markOf(runs[0]?.chain ?? "");
  const shown = name === undefined ? `${t("board.unidentified")} ${mark}` : isWall && !isNobody ? shortened(name, family) : name;
  return (
    <span className={isNobody ? "board-person is-nobody" : "board-person"}>
      <strong>{shown}</strong> {patient !== undefined && <SexAndAge patient={patient} />}
    </span>
  );
}

function SexAndAge({ patient }: { patient: Patient }) {
  const { sexAndAge } = useShown(patient);
  return <span>{sexAndAge}</span>;
}

function Where({ place, road, isCrewed, now }: { place: Place; road: Road | undefined; isCrewed: boolean; now: number }) {
  const texts = useTexts();
  const { t } = texts;
  if (place.kind === "door" || place.kind === "here") {
    return (
      <span className="board-where">
        <span className="what">{t(`board.${place.kind}`)}</span>
        <strong>{showLength(texts, now - place.since)}</strong>
      </span>
    );
  }
  if (place.kind === "unknown") {
    return (
      <span className="board-where">
        <span className="what">{t("board.coming")}</span>
        <strong>{t("board.coming.unknown")}</strong>
        <Told said={undefined} road={road} isCrewed={isCrewed} now={now} />
      </span>
    );
  }
  const isPast = place.at < now;
  return (
    <span className="board-where">
      <span className="what">{t(isPast ? "board.coming.late" : "board.coming.at", { time: timeAt(place.at).slice(0, 5) })}</span>
      <strong>{isPast ? t("board.coming.past", { length: showLength(texts, now - place.at) }) : t("board.coming.in", { length: showLength(texts, place.at - now) })}</strong>
      <Told said={place.said} way={place.way} beside={place.beside} road={road} isCrewed={isCrewed} now={now} />
    </span>
  );
}

/** How old is what is known from the road: when it was said or how it was worked out, and where the vehicle was when. */
function Told(props: { said: number | undefined; way?: Way | undefined; beside?: Reckoned | undefined; road: Road | undefined; isCrewed: boolean; now: number }) {
  const { said, way, beside, road, isCrewed, now } = props;
  const texts = useTexts();
  const { t } = texts;
  const ago = (moment: number) => showLength(texts, Math.max(0, now - moment));
  const position = road?.position;
  const isOld = position !== undefined && now - position > FRESH;
  if (said === undefined && position === undefined && !isCrewed) return null;
  return (
    <span className="board-told what">
      {way !== undefined ? <span>{t(`eta.${way}`)}</span> : said !== undefined && <span>{t("board.said", { ago: ago(said) })}</span>}
      {beside !== undefined && <span>{t(`board.beside.${beside.way}`, { time: timeAt(beside.at).slice(0, 5) })}</span>}
      {position === undefined ? (
        isCrewed && <span>{t("board.position.none")}</span>
      ) : (
        <span className={isOld ? "is-old" : undefined}>
          {isOld && <span aria-hidden>⚠ </span>}
          {t(isOld ? "board.position.old" : "board.position", { ago: ago(position) })}
        </span>
      )}
    </span>
  );
}

function Clock({ clock, now }: { clock: RunClock; now: number }) {
  const { locale } = useTexts();
  return (
    <span className="board-clock-line">
      <span className="board-clock-name">{say(locale, clock.title)}</span>
      <ClockMark clock={clock} now={now} />
      {clock.breach !== undefined && <ClockBar clock={clock} now={now} />}
    </span>
  );
}

const whoOf = ({ locale }: Texts, step: RunStep) => (step.role && say(locale, step.role.title)) ?? "";

function NextAction({ next: { step, blocking }, now }: { next: Next; now: number }) {
  const texts = useTexts();
  const { t, locale } = texts;
  if (step === undefined) {
    return (
      <span className="board-next">
        <span className="what">{t("board.next.none")}</span>
      </span>
    );
  }
  const waited = step.since === undefined ? undefined : showLength(texts, now - Date.parse(step.since));
  const branches = new Set(blocking.map((other) => whoOf(texts, other)));
  branches.delete(whoOf(texts, step));
  const joined = [...branches].join(locale === "zh-CN" ? "、" : ", ");
  return (
    <span className="board-next">
      <strong>
        <span aria-hidden>{step.state === "taken" ? "◐ " : step.state === "unknown" ? "? " : "▶ "}</span>
        {say(locale, step.title)}
      </strong>
      <span className="board-by">
        {whoOf(texts, step)}
        {step.state === "taken" ? ` · ${t("step.state.taken")}` : waited !== undefined && ` · ${t("run.waited", { length: waited })}`}
      </span>
      {joined !== "" && <span className="board-blocking">{t("board.blocking", { who: joined })}</span>}
    </span>
  );
}

function Answered({ runs }: { runs: readonly RunView[] }) {
  const { t, locale } = useTexts();
  const team = teamOf(runs);
  if (team === undefined) return <span className="board-team" />;
  const isAll = team.answered >= team.wanted;
  return (
    <span className={`board-team${isAll ? " is-all" : ""}`}>
      <span className="what">{team.title === undefined ? t("board.team.title") : say(locale, team.title)}</span>
      <strong aria-label={t("board.team", { answered: team.answered, wanted: team.wanted })}>
        {isAll ? "✓ " : "○ "}
        {team.answered}/{team.wanted}
      </strong>
      <span className="board-answers">
        {team.roles.map(({ title, by, waits }, place) => (
          <span key={place} className={waits ? "is-waited" : ""}>
            <span aria-hidden>{waits ? "○ " : "✓ "}</span>
            {waits ? t("board.team.waits", { who: say(locale, title) ?? "" }) : by.join(locale === "zh-CN" ? "、" : ", ")}
          </span>
        ))}
      </span>
    </span>
  );
}
