import { useEffect, useState } from "react";
import { useTexts } from "../language";
import { useNow } from "../live";
import { useRouted, type Question, type Routed, type Site } from "../routing/reading";
import { RoutingCard } from "../routing/RoutingCard";
import { minutes, nameIn, wishIn } from "../routing/words";
import { here, type Position } from "./here";

/** How long ago somebody was last known well, in minutes, a touch each. */
const LAST_WELL = [30, 60, 120, 180, 240, 360];
/** From this total on a large vessel is suspected, as far as the tablet asks by one touch. */
const LARGE_VESSEL = 4;

/** What the crew has said of the patient so far, as far as it bears on where to. */
type Said = Pick<Question, "unstable" | "last-well" | "lams" | "tier" | "contact">;

/**
 * What is recommended, in one line, and everything behind it by one touch.
 *
 * @param to the institution that is chosen, as a reference
 * @param onRouted takes what was decided, to go with the warning
 */
export function WhereTo(props: {
  pathway: string;
  to: string | undefined;
  onChoose(institution: string): void;
  onRouted(routed: Routed | undefined): void;
  canWarn(institution: string): boolean;
}) {
  const { pathway, to, onChoose, onRouted, canWarn } = props;
  const texts = useTexts();
  const { t, locale } = texts;
  const [position, setPosition] = useState<Position | null>();
  const [said, setSaid] = useState<Said>(() => ({ contact: new Date().toISOString() }));
  const [isOpen, setIsOpen] = useState(false);
  const [isByPhone, setIsByPhone] = useState<Site>();
  const at = useNow(60_000);
  useEffect(() => {
    let isHere = true;
    void here().then((found) => isHere && setPosition(found ?? null));
    return () => {
      isHere = false;
    };
  }, [at]);
  const question = position == null ? undefined : { ...said, pathway, ...position, wish: to };
  const found = useRouted(question);
  const routed = found.isError ? undefined : found.data;
  useEffect(() => onRouted(routed), [routed, onRouted]);
  const choose = (site: Site) => {
    if (!canWarn(site.institution)) return setIsByPhone(site);
    setIsByPhone(undefined);
    onChoose(site.institution);
  };
  const chosen = routed?.chosen;
  const wish = routed?.wish !== undefined && routed.wish.institution !== chosen?.institution ? routed.wish : undefined;
  const line =
    position === null
      ? t("routing.noPosition")
      : found.isError
        ? t("routing.offline")
        : routed === undefined
          ? t("state.loading")
          : chosen === undefined
            ? t("routing.nobody")
            : t("routing.line", { place: nameIn(locale, chosen), count: minutes(chosen.way ?? 0) });
  const isWorrying = position === null || found.isError || (routed !== undefined && chosen === undefined);
  return (
    <>
      <button type="button" className={`ambulance-key ambulance-route${isWorrying ? " is-worrying" : ""}`} aria-expanded={isOpen} onClick={() => setIsOpen(true)}>
        <span aria-hidden>{isWorrying ? "⚠" : "★"}</span>
        <strong>{line}</strong>
        <span>{t("routing.why")} ›</span>
      </button>
      {wish !== undefined && (
        <p className="ambulance-wish" role="status">
          <span aria-hidden>↷ </span>
          {wishIn(texts, wish)}
        </p>
      )}
      {isOpen && (
        <div className="ambulance-routing" role="dialog" aria-modal aria-label={t("routing.title")}>
          <header>
            <h2>{t("routing.title")}</h2>
            <button type="button" className="ambulance-key" onClick={() => setIsOpen(false)}>
              {t("routing.done")}
            </button>
          </header>
          <div className="ambulance-routing-asked">
            <button type="button" className="ambulance-key" aria-pressed={said.unstable === true} onClick={() => setSaid((old) => ({ ...old, unstable: old.unstable !== true }))}>
              {t("routing.unstable")}
            </button>
            {pathway === "stroke" && (
              <>
                <button type="button" className="ambulance-key" aria-pressed={said.lams !== undefined} onClick={() => setSaid((old) => ({ ...old, lams: old.lams === undefined ? LARGE_VESSEL : undefined }))}>
                  {t("routing.largeVessel")}
                </button>
                <fieldset>
                  <legend>{t("routing.lastWell")}</legend>
                  {LAST_WELL.map((count) => {
                    const isIt = said["last-well"] !== undefined && Math.abs(Date.now() - Date.parse(said["last-well"]) - count * 60_000) < 15 * 60_000;
                    return (
                      <button
                        key={count}
                        type="button"
                        className="ambulance-key"
                        aria-pressed={isIt}
                        onClick={() => setSaid((old) => ({ ...old, "last-well": isIt ? undefined : new Date(Date.now() - count * 60_000).toISOString() }))}
                      >
                        {t("routing.ago", { count })}
                      </button>
                    );
                  })}
                </fieldset>
              </>
            )}
            {pathway === "trauma" && (
              <button type="button" className="ambulance-key" aria-pressed={said.tier === 1} onClick={() => setSaid((old) => ({ ...old, tier: old.tier === 1 ? undefined : 1 }))}>
                {t("routing.tier1")}
              </button>
            )}
          </div>
          {isWorrying && <p className="ambulance-refused">{line}</p>}
          {isByPhone !== undefined && (
            <p className="ambulance-refused" role="alert">
              {t("routing.byPhone", { place: nameIn(locale, isByPhone), number: isByPhone.hotline ?? "120" })}
            </p>
          )}
          {routed !== undefined && <RoutingCard routed={routed} to={to} onChoose={choose} />}
        </div>
      )}
    </>
  );
}
