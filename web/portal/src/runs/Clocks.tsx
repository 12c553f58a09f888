import type { RunView } from "@qingshan/client";
import { useTexts } from "../language";
import { showMoment } from "../views/Readable";
import { ClockBar, ClockMark } from "./ClockMark";
import { say } from "./words";

/** Every clock of a run: how it stands, how far it has run, and when its points are. */
export function Clocks({ run, now }: { run: RunView; now: number }) {
  const texts = useTexts();
  const { t, locale } = texts;
  return (
    <section className="card" aria-label={t("clock.title")}>
      <h2>{t("clock.title")}</h2>
      <ul className="clocks">
        {run.clocks.map((clock) => (
          <li key={`${clock.code} ${clock.n}`}>
            <span className="clocks-name">
              {say(locale, clock.title)}
              {clock.n > 1 && ` (${clock.n})`}
            </span>
            <ClockMark clock={clock} now={now} />
            <ClockBar clock={clock} now={now} />
            <span className="clocks-points what">
              {t("clock.began", { at: showMoment(texts, clock.began) })}
              {(["target", "warn", "breach"] as const).map(
                (point) => clock[point] !== undefined && ` · ${t(`clock.${point}`, { at: showMoment(texts, clock[point]) })}`,
              )}
              {clock.stopped !== undefined && ` · ${t("clock.stopped", { at: showMoment(texts, clock.stopped) })}`}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
