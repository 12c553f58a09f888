import { useEffect, useRef, useState } from "react";
import { useTexts } from "../language";
import { useNow } from "../live";
import { useDoor, useSession } from "../session";

/** How long before its end somebody is told, in milliseconds. */
const WARNED = 60_000;

/**
 * Ends a session that nobody uses, and says so a minute before. Whoever types or moves a pointer uses it, also when that
 * asks nothing of the service.
 */
export function Idle() {
  const { t } = useTexts();
  const { heard, renew, leave } = useDoor();
  const { idleSeconds } = useSession();
  const now = useNow(1_000);
  const used = useRef(0);
  const [isAsked, setIsAsked] = useState(false);
  const left = heard() + idleSeconds * 1000 - now;
  const isWarned = left <= WARNED;

  useEffect(() => {
    const use = () => {
      used.current = Date.now();
    };
    const ways = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"] as const;
    for (const way of ways) addEventListener(way, use, { passive: true });
    return () => {
      for (const way of ways) removeEventListener(way, use);
    };
  }, []);

  useEffect(() => {
    if (isAsked) return;
    const isUsed = used.current > heard();
    const ask = (isPeek: boolean) => {
      setIsAsked(true);
      void renew(isPeek).finally(() => setIsAsked(false));
    };
    // Asked well before the warning while somebody is at work, and when the time is over, to be told that it is.
    if (isUsed && !isWarned && left < Math.max(2 * WARNED, idleSeconds * 500)) ask(false);
    else if (left <= 0) ask(true);
  }, [left, now, isWarned, isAsked, heard, renew, idleSeconds]);

  if (!isWarned) return null;
  return (
    <div className="idle" role="alertdialog" aria-labelledby="idle">
      <p id="idle">{t("idle.warning", { seconds: Math.max(0, Math.ceil(left / 1000)) })}</p>
      <div className="form-end">
        <button type="button" onClick={() => void leave()}>
          {t("signIn.out")}
        </button>
        <button type="button" className="is-main" autoFocus onClick={() => void renew()}>
          {t("idle.stay")}
        </button>
      </div>
    </div>
  );
}
