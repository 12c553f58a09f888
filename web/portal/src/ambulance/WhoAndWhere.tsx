import type { Sex } from "@qingshan/client";
import { useEffect, useState } from "react";
import { useTexts } from "../language";
import type { Routed } from "../routing/reading";
import { traceIn } from "../routing/words";
import type { Drive, Pack, Who } from "./drive";
import { WhereTo } from "./WhereTo";

const LAST = "qingshan.ambulance.to";

/** In how many minutes a patient may be expected, a touch each. */
export const MINUTES = [5, 10, 15, 20, 30, 45];

/** Who it is, as far as it can be seen, and where they are brought: one touch each, and what is known already is chosen. */
export function WhoAndWhere(props: {
  title: string;
  institutions: Pack["institutions"];
  own: string | undefined;
  /** What is suspected, where there is a word for it. */
  pathway: string | undefined;
  onGo(who: Who, destination: Drive["destination"]): Promise<void>;
}) {
  const { title, institutions, own, pathway, onGo } = props;
  const texts = useTexts();
  const { t } = texts;
  const [sex, setSex] = useState<Sex>();
  const [age, setAge] = useState<number>();
  const [isDrill, setIsDrill] = useState(false);
  const [isGoing, setIsGoing] = useState(false);
  const [cause, setCause] = useState<unknown>();
  const [to, setTo] = useState(() => localStorage.getItem(LAST) ?? own);
  const [isPressed, setIsPressed] = useState(false);
  const [routed, setRouted] = useState<Routed>();
  const canWarn = (institution: string) => institutions.some(({ id }) => `Organization/${id}` === institution);
  const press = (id: string | undefined) => {
    setIsPressed(true);
    setTo(id);
  };
  const recommended = routed?.chosen?.institution;
  // What is recommended is chosen until somebody chooses; whom no warning reaches is called.
  useEffect(() => {
    if (!isPressed && recommended !== undefined && institutions.some(({ id }) => `Organization/${id}` === recommended)) setTo(recommended.replace("Organization/", ""));
  }, [isPressed, recommended, institutions]);
  const destination = institutions.find(({ id }) => id === to);
  // How long the way takes to the hospital that is chosen, as far as somebody knows where both are.
  const sites = routed === undefined ? [] : [...(routed.chosen === undefined ? [] : [routed.chosen]), ...routed.alternatives, ...routed.rejected];
  const reckoned = sites.filter(({ institution, way }) => institution === `Organization/${to ?? ""}` && way !== undefined).sort((one, other) => (one.way ?? 0) - (other.way ?? 0))[0];
  const way = reckoned?.way === undefined ? undefined : Math.max(1, Math.ceil(reckoned.way));
  const go = (minutes: number, isOwn = false) => {
    if (sex === undefined || destination?.id === undefined || isGoing) return;
    setIsGoing(true);
    localStorage.setItem(LAST, destination.id);
    const why = routed === undefined ? undefined : traceIn(texts, routed, `Organization/${destination.id}`);
    onGo({ sex, age, isDrill, minutes, why, isOwn }, { reference: `Organization/${destination.id}`, display: destination.name ?? "" }).catch((why: unknown) => {
      setIsGoing(false);
      setCause(why);
    });
  };
  return (
    <div className="ambulance-who">
      <h1>{title}</h1>
      <section aria-label={t("ambulance.who")}>
        <h2>{t("ambulance.who")}</h2>
        <div className="ambulance-sexes">
          {(["male", "female", "unknown"] as const).map((one) => (
            <button key={one} type="button" className="ambulance-tile" aria-pressed={sex === one} onClick={() => setSex(one)}>
              {t(`sex.${one}`)}
            </button>
          ))}
        </div>
        <h2>{t("ambulance.age")}</h2>
        <div className="ambulance-ages">
          {[0, 10, 20, 30, 40, 50, 60, 70, 80, 90].map((decade) => (
            <button
              key={decade}
              type="button"
              className="ambulance-key"
              aria-pressed={age !== undefined && Math.floor(age / 10) * 10 === decade}
              onClick={() => setAge(decade + 5)}
            >
              {t("ambulance.decade", { from: decade, to: decade + 9 })}
            </button>
          ))}
        </div>
        <div className="ambulance-exact">
          <button type="button" className="ambulance-key" aria-label={t("ambulance.age.less")} disabled={age === undefined} onClick={() => setAge((old) => Math.max(0, (old ?? 0) - 1))}>
            −
          </button>
          <output>{age === undefined ? t("age.unknown") : t("age.year", { count: age })}</output>
          <button type="button" className="ambulance-key" aria-label={t("ambulance.age.more")} disabled={age === undefined} onClick={() => setAge((old) => Math.min(120, (old ?? 0) + 1))}>
            +
          </button>
        </div>
      </section>
      <section aria-label={t("ambulance.to")}>
        <h2>{t("ambulance.to")}</h2>
        {pathway !== undefined && (
          <WhereTo
            pathway={pathway}
            to={to === undefined ? undefined : `Organization/${to}`}
            onChoose={(institution) => press(institution.replace("Organization/", ""))}
            onRouted={setRouted}
            canWarn={canWarn}
          />
        )}
        <div className="ambulance-to">
          {institutions.map(({ id, name }) => (
            <button key={id} type="button" className="ambulance-key" aria-pressed={to === id} onClick={() => press(id)}>
              {name}
            </button>
          ))}
        </div>
        <button type="button" className="ambulance-key ambulance-drill" aria-pressed={isDrill} onClick={() => setIsDrill(!isDrill)}>
          {isDrill ? "☑" : "☐"} {t("ambulance.drill")}
        </button>
        {cause !== undefined && (
          <p className="ambulance-refused" role="alert">
            {t("ambulance.unkept")}
          </p>
        )}
        <h2>{sex === undefined ? t("ambulance.go.who") : t(isDrill ? "ambulance.go.drill" : "ambulance.go")}</h2>
        {way !== undefined && (
          <button
            type="button"
            className={`ambulance-go is-reckoned${isDrill ? " is-drill" : ""}`}
            disabled={sex === undefined || destination === undefined || isGoing}
            aria-label={t("ambulance.go.reckoned", { count: way, place: destination?.name ?? "" })}
            onClick={() => go(way)}
          >
            <strong>{t("ambulance.go.about", { count: way })}</strong>
            <span>{t(`eta.${reckoned?.isByRoad === true ? "road" : "line"}`)}</span>
          </button>
        )}
        {way !== undefined && <p className="ambulance-note">{t("ambulance.go.own")}</p>}
        <div className={`ambulance-gos${way === undefined ? "" : " is-beside"}`}>
          {MINUTES.map((minutes) => (
            <button
              key={minutes}
              type="button"
              className={`ambulance-go${isDrill ? " is-drill" : ""}`}
              disabled={sex === undefined || destination === undefined || isGoing}
              aria-label={t("ambulance.go.in", { count: minutes, place: destination?.name ?? "" })}
              onClick={() => go(minutes, way !== undefined)}
            >
              {t("length.minute", { count: minutes })}
            </button>
          ))}
        </div>
      </section>
    </div>
  );
}
