import { useState } from "react";
import { useTexts } from "../language";
import { frameOf, nearest, type Position, type Published } from "./published";

/** The sheet a map is drawn on; on a phone it is narrower, and names stand in the list alone. */
const WIDE = 900;
const NARROW = 400;

/** A schematic map: the larger roads, the sites, and the number of each in the list below. North is up. */
export function Drawing({ map, pathway, position }: { map: Published; pathway: string; position: Position | undefined }) {
  const { t, locale, known } = useTexts();
  const [isNarrow] = useState(() => matchMedia("(max-width: 640px)").matches);
  const width = isNarrow ? NARROW : WIDE;
  const numbered = nearest(map.sites, pathway, position);
  const sites = map.sites.filter(({ latitude, longitude }) => latitude !== null && longitude !== null);
  const points = [
    ...sites.map(({ longitude, latitude }): [number, number] => [longitude ?? 0, latitude ?? 0]),
    ...map.roads.flatMap((road) => road.points),
  ];
  const { height, place } = frameOf(points, width);
  const line = (of: readonly (readonly [number, number])[]) => of.map(([longitude, latitude]) => place(longitude, latitude).map((at) => at.toFixed(1)).join(",")).join(" ");
  const isInside = position !== undefined && inside(place(position.longitude, position.latitude), width, height);
  const label = (one: (typeof sites)[number]) => (locale === "en" && one.english !== null ? one.english : one.institution);
  return (
    <figure className="map-drawing">
      <svg viewBox={`0 0 ${width} ${height.toFixed(0)}`} role="img" aria-label={t("map.drawing", { what: known("routing.pathway", pathway) ?? pathway })}>
        {map.roads.map((road, number) => (
          <polyline key={number} className={`map-road is-${road.class}`} points={line(road.points)} />
        ))}
        {sites.map((one) => {
          const number = numbered.findIndex(({ place: other }) => other.location === one.location);
          const [x, y] = place(one.longitude ?? 0, one.latitude ?? 0);
          const isRight = x > width * 0.72;
          return (
            <g key={one.location} className={number < 0 ? "map-site" : "map-site is-centre"}>
              {number < 0 ? <rect x={x - 6} y={y - 6} width={12} height={12} /> : <circle cx={x} cy={y} r={17} />}
              {number >= 0 && (
                <text x={x} y={y + 7} textAnchor="middle" className="map-site-number">
                  {number + 1}
                </text>
              )}
              {!isNarrow && (
                <text x={isRight ? x - 24 : x + 24} y={y + 6} textAnchor={isRight ? "end" : "start"} className="map-site-name">
                  {label(one)}
                </text>
              )}
            </g>
          );
        })}
        {isInside && <Here at={place(position.longitude, position.latitude)} />}
      </svg>
      <figcaption>{t("map.schematic")}</figcaption>
    </figure>
  );
}

const inside = ([x, y]: readonly [number, number], width: number, height: number) => x >= 0 && x <= width && y >= 0 && y <= height;

function Here({ at: [x, y] }: { at: readonly [number, number] }) {
  const { t } = useTexts();
  return (
    <g className="map-here">
      <path d={`M${x - 14},${y}H${x + 14}M${x},${y - 14}V${y + 14}`} />
      <text x={x} y={y - 22} textAnchor="middle" className="map-site-name">
        {t("map.here")}
      </text>
    </g>
  );
}
