import { cited } from "../citations";
import { useTexts } from "../language";
import type { Routed, Site } from "./reading";
import { minutes, nameIn, reasonIn, stepIn, termOf, wishIn } from "./words";
import "./routing.css";

/**
 * Where to, why, and why not elsewhere. Everything is unfolded but the numbers of the rules: who drives must not have to
 * look for it.
 *
 * @param to where the patient is brought, as an Organization, where that is chosen already
 * @param own whoever asks works there
 * @param onChoose chooses a hospital
 */
export function RoutingCard(props: { routed: Routed; to?: string | undefined; own?: string | undefined; onChoose?: (site: Site) => void }) {
  const { routed, to, own, onChoose } = props;
  const texts = useTexts();
  const { t, known } = texts;
  const { chosen, alternatives, rejected, wish, trace, warnings } = routed;
  const isElsewhere = wish !== undefined && chosen !== undefined && wish.institution !== chosen.institution;
  return (
    <div className="routing" role="group" aria-label={t("routing.title")}>
      {warnings.length > 0 && (
        <ul className="routing-minds">
          {warnings.map((warning) => (
            <li key={warning.code}>
              <span aria-hidden>⚠ </span>
              {reasonIn(texts, warning)}
            </li>
          ))}
        </ul>
      )}
      {chosen === undefined ? (
        <p className="routing-nobody" role="alert">
          {t("routing.nobody")}
        </p>
      ) : (
        <>
          <p className="routing-rule">{known("routing.rule", routed.rule) ?? routed.rule}</p>
          <Place site={chosen} mark="★" isChosen to={to} own={own} onChoose={onChoose} />
        </>
      )}
      {isElsewhere && (
        <p className="routing-wish" role="status">
          <span aria-hidden>↷ </span>
          {wishIn(texts, wish)}
        </p>
      )}
      {alternatives.length > 0 && (
        <>
          <h3>{t("routing.alternatives")}</h3>
          <ol className="routing-list">
            {alternatives.map((site) => (
              <li key={site.location}>
                <Place site={site} mark="○" to={to} own={own} onChoose={onChoose} />
              </li>
            ))}
          </ol>
        </>
      )}
      {rejected.length > 0 && (
        <>
          <h3>{t("routing.rejected", { count: rejected.length })}</h3>
          <ul className="routing-list">
            {rejected.map((site) => (
              <li key={site.location}>
                <Place site={site} mark="✕" isRejected to={to} own={own} onChoose={onChoose} />
              </li>
            ))}
          </ul>
        </>
      )}
      <details className="routing-trace">
        <summary>{t("routing.trace")}</summary>
        <ol>
          {trace.map((step, place) => (
            <li key={place}>
              <span aria-hidden>{step.held ? "✓ " : "– "}</span>
              {stepIn(texts, step)}
              {step.source !== undefined && <span className="routing-source"> {t("routing.source", { source: cited(texts.locale, step.source) })}</span>}
            </li>
          ))}
        </ol>
      </details>
    </div>
  );
}

function Place(props: { site: Site; mark: string; isChosen?: boolean; isRejected?: boolean; to: string | undefined; own: string | undefined; onChoose: ((site: Site) => void) | undefined }) {
  const { site, mark, isChosen = false, isRejected = false, to, own, onChoose } = props;
  const texts = useTexts();
  const { t, locale, known } = texts;
  const isTaken = to !== undefined && site.institution === to;
  const inner = (
    <>
      <span className="routing-mark" aria-hidden>
        {mark}
      </span>
      <span className="routing-name">
        <strong>{nameIn(locale, site)}</strong>
        {site.level !== undefined && <span> {termOf(texts, site.level)}</span>}
        {site.institution === own && <em> {t("registry.own")}</em>}
        {isTaken && <em> {t("routing.taken")}</em>}
      </span>
      {site.way !== undefined && (
        <span className="routing-way">
          <strong>{t("routing.way", { count: minutes(site.way) })}</strong>
          <span>{t(site.isByRoad ? "routing.byRoad" : "routing.byLine", { count: (site.kilometres ?? 0).toFixed(1) })}</span>
        </span>
      )}
      {site.treatment !== undefined && site.minutes !== undefined && (
        <span className="routing-treatment">
          {t("routing.treatment", {
            what: known("routing.figure", site.treatment.code) ?? site.treatment.code,
            count: minutes(site.treatment.minutes),
            total: minutes(site.minutes),
          })}
          {site.treatment.isAssumed && ` ${t("routing.assumed")}`}
        </span>
      )}
      {[...site.reasons, ...site.warnings].map((reason) => (
        <span key={`${reason.code} ${reason.detail ?? ""}`} className={isRejected ? "routing-why is-no" : "routing-why"}>
          {reasonIn(texts, reason)}
        </span>
      ))}
    </>
  );
  const name = `routing-place${isChosen ? " is-chosen" : ""}${isRejected ? " is-rejected" : ""}`;
  return (
    <div className="routing-row">
      {onChoose === undefined ? (
        <div className={name}>{inner}</div>
      ) : (
        <button type="button" className={name} aria-pressed={isTaken} onClick={() => onChoose(site)}>
          {inner}
        </button>
      )}
      {site.hotline !== undefined && (
        <a className="routing-call" href={`tel:${site.hotline}`} aria-label={t("routing.call", { place: nameIn(locale, site), number: site.hotline })}>
          ☎ {site.hotline}
        </a>
      )}
    </div>
  );
}
