/** One measurement of a series: a moment in milliseconds since 1970 and a number. */
export interface Point {
  at: number;
  value: number;
}

/** How a value went over time, as a small line. What it says stands beside it in words and numbers. */
export function Sparkline({ points, width = 160, height = 36 }: { points: readonly Point[]; width?: number; height?: number }) {
  const sorted = [...points].sort((left, right) => left.at - right.at);
  const [first, last] = [sorted[0], sorted.at(-1)];
  if (first === undefined || last === undefined || sorted.length < 2) return null;
  const values = sorted.map(({ value }) => value);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const edge = 4;
  const x = (at: number) => edge + ((at - first.at) / (last.at - first.at || 1)) * (width - 2 * edge);
  const y = (value: number) => height - edge - ((value - least) / (most - least || 1)) * (height - 2 * edge);
  const line = sorted.map(({ at, value }) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  return (
    <svg className="sparkline" viewBox={`0 0 ${width} ${height}`} width={width} height={height} aria-hidden>
      <polyline points={line} />
      <circle cx={x(last.at)} cy={y(last.value)} r={3} />
    </svg>
  );
}
