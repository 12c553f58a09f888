import { useTexts, type Texts } from "../language";
import { useNow } from "../live";
import { showLength } from "../runs/words";
import { FailureNotice, Loading, Nothing } from "../states";
import { Sparkline } from "../views/Sparkline";
import { showMoment } from "../views/Readable";
import type { Measured, Source } from "./sources";
import { useSources } from "./useSources";
import "./sources.css";

/** How old a measurement may be before it says nothing of now, in milliseconds. */
const OLD = 15 * 60_000;

/** The clocks of the systems that write times, and how far each is off. */
export default function SourcesPage() {
  const { t } = useTexts();
  const found = useSources();
  const now = useNow(10_000);
  return (
    <section className="stack" aria-label={t("nav.sources")}>
      <header className="card">
        <h1>{t("nav.sources")}</h1>
        <p className="hint">{t("sources.help")}</p>
      </header>
      {found.isPending && <Loading rows={6} />}
      {found.isError && <FailureNotice cause={found.error} retry={() => void found.refetch()} />}
      {found.data?.length === 0 && <Nothing title={t("sources.none")} help={t("sources.none.help")} />}
      {found.data !== undefined && found.data.length > 0 && (
        <ul className="sources">
          {found.data.map((source) => (
            <Row key={source.reference} source={source} now={now} />
          ))}
        </ul>
      )}
    </section>
  );
}

/** How far a clock is off, in words. */
export function showSkew(texts: Texts, { ahead, within }: Measured): string {
  const { t } = texts;
  const length = Math.abs(ahead) < 60_000 ? t("sources.seconds", { count: (Math.abs(ahead) / 1000).toFixed(1) }) : exactLength(texts, Math.abs(ahead));
  if (within === undefined) return t(ahead >= 0 ? "sources.ahead.least" : "sources.behind.most", { length });
  return t(ahead >= 0 ? "sources.ahead" : "sources.behind", { length });
}

/** Minutes with seconds: of a clock that is off both are of interest. */
function exactLength({ t }: Texts, length: number): string {
  const seconds = Math.round(length / 1000);
  return t("sources.minutes", { minutes: Math.floor(seconds / 60), seconds: seconds % 60 });
}

function Row({ source, now }: { source: Source; now: number }) {
  const texts = useTexts();
  const { t } = texts;
  const [newest] = source.measured;
  if (newest === undefined) return null;
  const isOld = now - newest.at > OLD;
  const state = isOld ? "old" : newest.isGood ? "good" : "off";
  const points = [...source.measured].reverse().map(({ at, ahead }) => ({ at, value: ahead / 1000 }));
  return (
    <li className={`card source is-${state}`}>
      <div>
        <h2>{source.name}</h2>
        <p className="what">{source.client ?? source.reference}</p>
      </div>
      <p className="source-skew">
        <strong>
          <span aria-hidden>{state === "good" ? "✓ " : state === "old" ? "? " : "▲ "}</span>
          {t(`sources.${state}`)}
        </strong>
        <span>{showSkew(texts, newest)}</span>
        {newest.within !== undefined && <span className="what">{t("sources.within", { length: (newest.within / 1000).toFixed(3) })}</span>}
      </p>
      <p className="what">
        {t("sources.measured", { at: showMoment(texts, new Date(newest.at).toISOString()), ago: showLength(texts, Math.max(0, now - newest.at)) })}
        {newest.most !== undefined && ` · ${t("sources.most", { length: (newest.most / 1000).toFixed(1) })}`}
      </p>
      {points.length > 1 && <Sparkline points={points} width={160} height={34} />}
    </li>
  );
}
