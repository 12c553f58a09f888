import { useState } from "react";
import { saysScore } from "../forms/questionnaire";
import { useTexts } from "../language";
import { FAST, GCS, isNotable, LAMS, RTS, rtsItems, totalOf, type Score } from "./scores";

/** Scores, one at a time; each total stands on its button, and there is none while an item is missing. */
export function Scores(props: { items: Readonly<Record<string, number>>; systolic: number | undefined; breathing: number | undefined; onItem(score: Score, code: string, points: number): void }) {
  const { items, systolic, breathing, onItem } = props;
  const { t, known } = useTexts();
  const [shown, setShown] = useState<Score>(FAST);
  const gcs = totalOf(GCS, items);
  const trauma = rtsItems({ gcs, systolic, breathing });
  const total = (score: Score) => totalOf(score, score === RTS ? trauma : items);
  const missing = shown.items.filter(({ code }) => (shown === RTS ? trauma : items)[code] === undefined).length;
  return (
    <section className="ambulance-scores" aria-label={t("ambulance.scores")}>
      <div className="ambulance-tabs">
        {[FAST, LAMS, GCS, RTS].map((score) => {
          const sum = total(score);
          const isGrave = sum !== undefined && isNotable(score, sum);
          return (
            <button key={score.code} type="button" aria-pressed={shown === score} className={isGrave ? "is-grave" : ""} onClick={() => setShown(score)}>
              <span>{score.name}</span>
              <strong>
                {isGrave && <span aria-hidden>▲ </span>}
                {sum ?? "–"}
              </strong>
            </button>
          );
        })}
      </div>
      {shown === RTS ? (
        <ul className="ambulance-made">
          {RTS.items.map(({ code }) => (
            <li key={code}>
              <span>{known("ambulance.item", code) ?? code}</span>
              <strong>{trauma[code] ?? "–"}</strong>
            </li>
          ))}
        </ul>
      ) : (
        shown.items.map((item) => (
          <fieldset key={item.code} className="ambulance-item">
            <legend>{known("ambulance.item", item.code) ?? item.code}</legend>
            <div>
              {item.points.map((points) => {
                const words = known("ambulance.answer", `${item.code}.${points}`);
                return (
                  <button key={points} type="button" className="ambulance-key" aria-pressed={items[item.code] === points} onClick={() => onItem(shown, item.code, points)}>
                    {words}
                    {(words === undefined || !saysScore(words, points)) && <span className="ambulance-points"> {t("form.score", { score: points })}</span>}
                  </button>
                );
              })}
            </div>
          </fieldset>
        ))
      )}
      <p className="ambulance-note">{missing > 0 ? t("ambulance.missing", { count: missing }) : shown.source}</p>
    </section>
  );
}
