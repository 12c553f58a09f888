import { Button } from "antd";
import type { ReactNode } from "react";
import { useTexts } from "../language";
import { later } from "./reading";
import "./turn.css";

/** What stretch of time is shown, between the ways to the one before it and the one after. */
export function Turn(props: { label: string; before: string; after: string; onTurn(by: -1 | 1): void; children: ReactNode }) {
  const { label, before, after, onTurn, children } = props;
  return (
    <nav className="turn" aria-label={label}>
      <Button onClick={() => onTurn(-1)}>{before}</Button>
      {/* Whoever turns without looking hears where they have come to. */}
      <strong className="measure" aria-live="polite">
        {children}
      </strong>
      <Button onClick={() => onTurn(1)}>{after}</Button>
    </nav>
  );
}

/** The week that is shown, by its Monday, and the ways to others. */
export function TurnWeek({ monday, onTurn }: { monday: string; onTurn(monday: string): void }) {
  const { t } = useTexts();
  return (
    <Turn label={t("experts.week")} before={t("experts.week.before")} after={t("experts.week.after")} onTurn={(by) => onTurn(later(monday, 7 * by))}>
      {monday} – {later(monday, 6)}
    </Turn>
  );
}
