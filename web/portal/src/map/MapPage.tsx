import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { minuteAt, showDate } from "../calendar";
import { useTexts } from "../language";
import { Drawing } from "./Drawing";
import { nearest, published, takingOf, Unpublished, type Near, type Position, type Published } from "./published";
import "./map.css";

const PATHWAYS = ["stroke", "chest-pain", "trauma", "obstetric", "newborn"] as const;

/** The map of who treats emergencies, for everybody: nobody signs in, nobody is followed, and it can be printed. */
export default function MapPage() {
  const { t, locale, choose } = useTexts();
  const edition = new URLSearchParams(location.search).get("edition");
  const found = useQuery({
    queryKey: ["map", edition],
    refetchInterval: 60_000,
    queryFn: ({ signal }) => published(edition, signal),
    retry: (times, cause) => times < 3 && !(cause instanceof Unpublished),
  });
  return (
    <div className="map-page">
      <header className="map-head">
        <h1>{t("map.title")}</h1>
        <span className="map-tools">
          <button type="button" onClick={() => print()}>
            {t("map.print")}
          </button>
          <button type="button" lang={locale === "en" ? "zh-CN" : "en"} aria-label={t("language.switch")} onClick={() => choose(locale === "en" ? "zh-CN" : "en")}>
            {t("language.other")}
          </button>
        </span>
      </header>
      <main>
        <Advice />
        {found.data !== undefined ? (
          <Shown map={found.data} isOld={found.isError} />
        ) : found.isPending ? (
          <p className="map-note" role="status">
            {t("state.loading")}
          </p>
        ) : (
          <p className="map-note" role="alert">
            {t(found.error instanceof Unpublished ? "map.none" : "map.offline")}
            {!(found.error instanceof Unpublished) && (
              <button type="button" onClick={() => void found.refetch()}>
                {t("failure.retry")}
              </button>
            )}
          </p>
        )}
      </main>
    </div>
  );
}

/** What to do at once, before anything has loaded: call, and look for the three signs. */
function Advice() {
  const { t } = useTexts();
  return (
    <section className="map-advice" aria-label={t("map.advice")}>
      <a className="map-120" href="tel:120">
        <strong>120</strong>
        <span>{t("map.call")}</span>
      </a>
      <div>
        <h2>{t("map.fast")}</h2>
        <ol>
          <li>
            <b>1</b> {t("map.fast.face")}
          </li>
          <li>
            <b>2</b> {t("map.fast.arm")}
          </li>
          <li>
            <b>0</b> {t("map.fast.speech")}
          </li>
        </ol>
        <p>{t("map.fast.then")}</p>
        <p>{t("map.chest")}</p>
      </div>
    </section>
  );
}

function Shown({ map, isOld }: { map: Published; isOld: boolean }) {
  const { t, locale, known } = useTexts();
  const [pathway, setPathway] = useState<string>("stroke");
  const [position, setPosition] = useState<Position>();
  const [isRefused, setIsRefused] = useState(false);
  const locate = () => {
    setIsRefused(false);
    if (!("geolocation" in navigator)) return setIsRefused(true);
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => setPosition({ latitude: coords.latitude, longitude: coords.longitude }),
      () => setIsRefused(true),
      { timeout: 10_000, maximumAge: 60_000 },
    );
  };
  const there = PATHWAYS.filter((one) => map.sites.some(({ rows }) => rows.some((row) => row.pathway === one)));
  const { edition } = map;
  return (
    <>
      <p className="map-edition">
        <strong>{t("editions.number", { number: edition.number })}</strong> {t("editions.from", { date: showDate(edition.from, locale) })}
        {edition.note !== null && <span> · {edition.note}</span>}
      </p>
      {!edition.inForce && (
        <p className="map-note" role="alert">
          ⚠ {t("map.notInForce")} <a href="/map">{t("map.toCurrent")}</a>
        </p>
      )}
      {isOld && (
        <p className="map-note" role="alert">
          ⚠ {t("map.old", { time: minuteAt(Date.parse(map["as-of"])) })}
        </p>
      )}
      <div className="map-pathways" role="group" aria-label={t("registry.pathway")}>
        {there.map((one) => (
          <button key={one} type="button" aria-pressed={pathway === one} onClick={() => setPathway(one)}>
            {known("routing.pathway", one)}
          </button>
        ))}
        <button type="button" className="map-locate" onClick={locate}>
          ◎ {t("map.locate")}
        </button>
      </div>
      {isRefused && <p className="map-note" role="alert">{t("map.locate.refused")}</p>}
      {position !== undefined && <p className="hint">{t("map.locate.done")}</p>}
      <Drawing map={map} pathway={pathway} position={position} />
      {there.map((one) => (
        <section key={one} className={`map-list${one === pathway ? "" : " is-print"}`} aria-label={known("routing.pathway", one)}>
          <h2>{t("map.centres", { what: known("routing.pathway", one) ?? one })}</h2>
          <ol>
            {nearest(map.sites, one, position).map((near, place) => (
              <Entry key={near.place.location} near={near} number={place + 1} stale={map.stale} />
            ))}
          </ol>
        </section>
      ))}
      <footer className="map-foot">
        <p>{t("map.foot")}</p>
        <p>
          {t("map.editions")}
          {map.editions.map(({ number, from }) => (
            <a key={number} href={`/map?edition=${number}`}>
              {t("editions.number", { number })} · {showDate(from, locale)}
            </a>
          ))}
        </p>
      </footer>
    </>
  );
}

/** A shape beside each word of what a centre takes. */
const SIGNS = { open: "●", limited: "◐", unknown: "?" } as const;

function Entry({ near: { place, centre, far }, number, stale }: { near: Near; number: number; stale: number }) {
  const { t, locale, known } = useTexts();
  const { taking, minutes } = takingOf(centre.live, stale, Date.now());
  const isClosed = taking === "diverted";
  return (
    <li className={isClosed ? "is-closed" : ""}>
      <span className="map-number" aria-hidden>
        {number}
      </span>
      <div>
        <strong>{locale === "en" && place.english !== null ? place.english : place.institution}</strong>
        <p>
          {[centre.level === null ? known("routing.pathway", centre.pathway) : known("routing.level", centre.level), far !== undefined && t("map.far", { count: far.toFixed(1) })]
            .filter(Boolean)
            .join(" · ")}
        </p>
        {taking === "diverted" ? (
          <p className="map-closed">
            <span aria-hidden>✕ </span>
            {t("map.closed", { count: minutes })}
          </p>
        ) : (
          <p className={`map-live is-${taking}`}>
            <span aria-hidden>{SIGNS[taking]} </span>
            {t(`map.live.${taking}`, { count: minutes })}
          </p>
        )}
      </div>
      {centre.hotline !== null && (
        <a className="map-phone" href={`tel:${centre.hotline}`}>
          ☎ {centre.hotline}
        </a>
      )}
    </li>
  );
}
