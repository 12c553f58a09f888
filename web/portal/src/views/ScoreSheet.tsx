import type { Observation } from "@qingshan/client";
import { isNotable, QINGSHAN, totalOf, type Score } from "../ambulance/scores";
import { useTexts } from "../language";

/** Points of a score by the code of their item, as they were recorded. */
export function itemsIn({ component = [] }: Observation): Record<string, number> {
  const points = component.map(({ code, valueQuantity }) => [code?.coding?.find(({ system }) => system === QINGSHAN)?.code, valueQuantity?.value] as const);
  return Object.fromEntries(points.filter((point): point is [string, number] => point[0] !== undefined && point[1] !== undefined));
}

/** A score as it was taken: what was found for each item, with its points, and the total they make. */
export function ScoreSheet({ observation, score }: { observation: Observation; score: Score }) {
  const { t, known } = useTexts();
  const items = itemsIn(observation);
  const made = totalOf(score, items);
  const told = observation.valueQuantity?.value;
  const missing = score.items.filter(({ code }) => items[code] === undefined).length;
  const bound = (pick: (...points: number[]) => number) => score.items.reduce((sum, { points }) => sum + pick(...points), 0);
  const isGrave = missing === 0 && told !== undefined && isNotable(score, told);
  return (
    <div className="score-sheet">
      <table>
        <caption>
          {score.name} <span className="what">{t("score.range", { least: bound(Math.min), most: bound(Math.max) })}</span>
        </caption>
        <tbody>
          {score.items.map(({ code }) => {
            const points = items[code];
            return (
              <tr key={code} className={points === undefined ? "is-missing" : ""}>
                <th scope="row">{known("ambulance.item", code) ?? code}</th>
                <td>{points === undefined ? t("score.missing") : known("ambulance.answer", `${code}.${points}`)}</td>
                <td className="measure">{points ?? "–"}</td>
              </tr>
            );
          })}
        </tbody>
        <tfoot>
          <tr className={isGrave ? "is-grave" : ""}>
            <th scope="row" colSpan={2}>
              {t("score.total")}
            </th>
            <td className="measure">
              {isGrave && <span aria-hidden>▲ </span>}
              <strong>{missing > 0 ? "–" : (told ?? made)}</strong>
            </td>
          </tr>
        </tfoot>
      </table>
      {missing > 0 && <p className="note note-warning">{t("ambulance.missing", { count: missing })}</p>}
      {missing === 0 && told !== undefined && told !== made && <p className="note note-warning">{t("score.other", { made: made ?? "–" })}</p>}
      <p className="what">{score.source}</p>
    </div>
  );
}
