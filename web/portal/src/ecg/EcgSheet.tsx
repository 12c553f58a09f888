import { useRef, useState, type CSSProperties, type KeyboardEvent, type PointerEvent } from "react";
import { useTexts } from "../language";
import { COLUMN, COLUMNS, isBroken, isFlat, layout, lineOf, measure, SHEET, type Piece, type Tracing } from "./tracing";

/** Millimetres left of the first lead: the calibration pulse stands there. */
const LEFT = 9;
const EDGE = 3;
/** The pulse lasts a fifth of a second and is one millivolt high. */
const PULSE = 0.2;

interface Point {
  x: number;
  y: number;
}

/** How far two points are moved by a key, in millimetres. */
const STEP: Record<string, Point> = {
  ArrowLeft: { x: -0.5, y: 0 },
  ArrowRight: { x: 0.5, y: 0 },
  ArrowUp: { x: 0, y: -0.5 },
  ArrowDown: { x: 0, y: 0.5 },
};

/**
 * A tracing on millimetre paper. One unit of the drawing is one millimetre of paper; how large that is on the screen is
 * told by the style sheet, by the ruler that somebody laid on this device, and in print it is one millimetre.
 */
export function EcgSheet(props: { tracing: Tracing; speed: number; gain: number; start: number; ruler: number; zoom: number; label: string }) {
  const { tracing, speed, gain, start, ruler, zoom, label } = props;
  const { t } = useTexts();
  const drawing = useRef<SVGSVGElement>(null);
  const [points, setPoints] = useState<[Point, Point]>();
  const { pieces, rows, span } = layout(tracing, start);
  const row = Math.max(24, 3 * gain);
  const length = (Math.max(span, COLUMN) / 1000) * speed;
  // The paper ends on a whole square.
  const width = Math.ceil((LEFT + length + EDGE) / 5) * 5;
  const height = Math.ceil((rows * row + 2 * EDGE) / 5) * 5;

  const at = (event: PointerEvent): Point => {
    const box = drawing.current?.getBoundingClientRect();
    if (box === undefined) return { x: 0, y: 0 };
    return { x: ((event.clientX - box.left) / box.width) * width, y: ((event.clientY - box.top) / box.height) * height };
  };
  const press = (event: PointerEvent<SVGSVGElement>) => {
    // A finger scrolls the paper; a mouse or a pen measures on it.
    if (event.pointerType === "touch" || event.button !== 0) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    setPoints([at(event), at(event)]);
  };
  const move = (event: PointerEvent<SVGSVGElement>) => {
    if (event.currentTarget.hasPointerCapture(event.pointerId)) setPoints((old) => old && [old[0], at(event)]);
  };
  const key = (event: KeyboardEvent) => {
    const step = STEP[event.key];
    if (event.key === "Escape") setPoints(undefined);
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const moved = (point: Point): Point => ({ x: clamp(point.x + step.x, width), y: clamp(point.y + step.y, height) });
    setPoints(([from, to] = [{ x: LEFT, y: row / 2 }, { x: LEFT + speed, y: row / 2 }]) => (event.shiftKey ? [moved(from), to] : [from, moved(to)]));
  };
  const found = points && measure(points[1].x - points[0].x, points[1].y - points[0].y, speed, gain);
  return (
    <>
      <p className="ecg-caliper" role="status">
        {found === undefined
          ? t("ecg.caliper.help")
          : t(found.rate === undefined ? "ecg.caliper" : "ecg.caliper.rate", {
              time: Math.round(found.time),
              voltage: found.voltage.toFixed(2),
              rate: Math.round(found.rate ?? 0),
            })}
      </p>
      <div className="ecg-paper" tabIndex={0} role="group" aria-label={label} onKeyDown={key}>
        <svg
          ref={drawing}
          className="ecg-drawing"
          viewBox={`0 0 ${width} ${height}`}
          style={{ "--mm-wide": width, "--mm-high": height, "--ruler": ruler * zoom } as CSSProperties}
          onPointerDown={press}
          onPointerMove={move}
          role="img"
          aria-label={label}
        >
          <Grid width={width} height={height} />
          {Array.from({ length: rows }, (_, place) => (
            <path key={place} className="ecg-pulse" d={pulse(EDGE + (place + 0.5) * row, speed, gain)} />
          ))}
          {pieces.map((piece) => (
            <LeadPiece
              key={`${piece.row} ${piece.column}`}
              piece={piece}
              x={LEFT + (piece.column * Math.min(COLUMN, span / COLUMNS) * speed) / 1000}
              y={EDGE + (piece.row + 0.5) * row}
              speed={speed}
              gain={gain}
              row={row}
            />
          ))}
          {points !== undefined && <Caliper points={points} height={height} width={width} />}
        </svg>
      </div>
      {tracing.length > SHEET && <p className="hint">{t("ecg.part", { from: seconds(start), to: seconds(Math.min(start + SHEET, tracing.length)), length: seconds(tracing.length) })}</p>}
    </>
  );
}

const clamp = (value: number, most: number) => Math.min(most, Math.max(0, value));
const seconds = (length: number) => String(Math.round(length / 100) / 10);

function pulse(y: number, speed: number, gain: number): string {
  return `M1 ${y}h1.5v${-gain}h${PULSE * speed}v${gain}h1.5`;
}

/** Thin lines a millimetre apart and strong ones every five, as on the paper of electrocardiographs. */
function Grid({ width, height }: { width: number; height: number }) {
  const lines = (step: number) => {
    let line = "";
    for (let x = 0; x <= width; x += step) line += `M${x} 0V${height}`;
    for (let y = 0; y <= height; y += step) line += `M0 ${y}H${width}`;
    return line;
  };
  return (
    <>
      <rect className="ecg-ground" width={width} height={height} />
      <path className="ecg-thin" d={lines(1)} />
      <path className="ecg-strong" d={lines(5)} />
    </>
  );
}

function LeadPiece({ piece, x, y, speed, gain, row }: { piece: Piece; x: number; y: number; speed: number; gain: number; row: number }) {
  const { t } = useTexts();
  const { name, lead, from, to } = piece;
  const absent = lead === undefined ? "missing" : lead.absent;
  const line = lead === undefined || absent !== undefined ? "" : lineOf(lead, from, to, speed, gain);
  const why = absent !== undefined ? t(`ecg.${absent}`) : line === "" ? t("ecg.none") : lead !== undefined && isFlat(lead) ? t("ecg.flat") : lead !== undefined && isBroken(lead, from, to) ? t("ecg.broken") : undefined;
  return (
    <g transform={`translate(${x} ${y})`}>
      <text className="ecg-name" x={1} y={-row / 2 + 5}>
        {name}
      </text>
      {why !== undefined && (
        <text className="ecg-why" x={name.length * 2.6 + 3} y={-row / 2 + 5}>
          {`✕ ${why}`}
        </text>
      )}
      {absent !== undefined && <path className="ecg-nothing" d={`M1 0H${((to - from) / 1000) * speed - 1}`} />}
      {line !== "" && <path className="ecg-line" d={line} />}
    </g>
  );
}

function Caliper({ points: [from, to], width, height }: { points: [Point, Point]; width: number; height: number }) {
  return (
    <g className="ecg-points">
      <path d={`M${from.x} 0V${height}M${to.x} 0V${height}`} />
      <path className="is-level" d={`M0 ${from.y}H${width}M0 ${to.y}H${width}`} />
      <path className="is-between" d={`M${from.x} ${to.y}H${to.x}`} />
    </g>
  );
}
