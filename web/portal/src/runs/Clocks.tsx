import type { Protocol, RunClock, RunView } from "@qingshan/client";
import { cited } from "../citations";
import { useTexts } from "../language";
import { ClockBar, ClockMark } from "./ClockMark";
import { shortMinute } from "./Graph";
import { say, showLength } from "./words";

const isRunning = (clock: RunClock) => clock.stopped === undefined;

/** Every clock of a run: how it stands, how far it has run, and when its points are. Those that run stand first. */
export function Clocks({ run, now, protocol }: { run: RunView; now: number; protocol: Protocol | undefined }) {
  const { t } = useTexts();
  const sourceOf = ({ code, own }: RunClock) => {
    if (own !== undefined) return own.source;
    const limits = protocol?.clock?.find((one) => one.code === code)?.limit ?? [];
    return (limits.find((limit) => limit.class !== undefined && limit.class === run.class?.code) ?? limits.find((limit) => limit.class === undefined))?.source;
  };
  const due = (clock: RunClock) => Date.parse(clock.breach ?? "") || Number.POSITIVE_INFINITY;
  const running = run.clocks.filter(isRunning).sort((left, right) => (due(left) < due(right) ? -1 : 1));
  const stopped = run.clocks.filter((clock) => !isRunning(clock));
  const list = (clocks: readonly RunClock[]) => (
    <ul className="clocks">
      {clocks.map((clock) => (
        <Clock key={`${clock.code} ${clock.n}`} clock={clock} now={now} source={clock.breach === undefined ? undefined : sourceOf(clock)} />
      ))}
    </ul>
  );
  return (
    <section className="card" aria-label={t("clock.title")}>
      <h2>{t("clock.title")}</h2>
      {list(running)}
      {stopped.length > 0 && (
        <details open={running.length === 0}>
          <summary>{t("clock.ended", { count: stopped.length })}</summary>
          {list(stopped)}
        </details>
      )}
    </section>
  );
}

function Clock({ clock, now, source }: { clock: RunClock; now: number; source: string | undefined }) {
  const texts = useTexts();
  const { t, locale } = texts;
  const at = (when: string) => ({ at: shortMinute(when, now) });
  const end = clock.stopped === undefined ? now : Date.parse(clock.stopped);
  return (
    <li>
      <span className="clocks-name">
        {say(locale, clock.title)}
        {clock.n > 1 && ` (${clock.n})`}
      </span>
      <ClockMark clock={clock} now={now} />
      {clock.breach !== undefined && <ClockBar clock={clock} now={now} />}
      <span className="clocks-points what">
        {t("clock.began", at(clock.began))}
        {` · ${t("clock.elapsed", { length: showLength(texts, end - Date.parse(clock.began)) })}`}
        {(["target", "warn", "breach"] as const).map(
          (point) => clock[point] !== undefined && ` · ${t(`clock.${point}`, at(clock[point]))}`,
        )}
        {clock.stopped !== undefined && ` · ${t("clock.stopped", at(clock.stopped))}`}
        {clock.own !== undefined && " · "}
        {clock.own !== undefined && <strong>{t("clock.own")}</strong>}
        {source !== undefined && ` · ${t("suggestions.source", { source: cited(locale, source) })}`}
      </span>
    </li>
  );
}
