import { useEffect, useMemo, useRef, useState } from "react";
import { useTexts } from "../language";
import { isToneOn, keepTone, newOf, sound, wake } from "./tone";
import "./paging.css";

/** Sounds when somebody is called who was not before. Says so where the browser does not let it yet. */
export function Tone({ called, isWhole }: { called: readonly string[]; isWhole: boolean }) {
  const { t } = useTexts();
  const [isOn, setIsOn] = useState(isToneOn);
  const [isAwake, setIsAwake] = useState(false);
  const known = useRef<ReadonlySet<string>>(undefined);
  const all = useMemo(() => [...called].sort().join(" "), [called]);
  useEffect(() => {
    if (!isWhole) return;
    const now = new Set(all === "" ? [] : all.split(" "));
    const fresh = newOf(known.current, now);
    known.current = now;
    if (isOn && fresh.length > 0) void sound().then(setIsAwake);
  }, [all, isWhole, isOn]);
  useEffect(() => {
    if (!isOn || isAwake) return;
    // A browser lets a page sound once somebody has touched it, wherever that was.
    const touch = () => void wake().then(setIsAwake);
    touch();
    addEventListener("pointerdown", touch);
    addEventListener("keydown", touch);
    return () => {
      removeEventListener("pointerdown", touch);
      removeEventListener("keydown", touch);
    };
  }, [isOn, isAwake]);
  const turn = () => {
    keepTone(!isOn);
    setIsOn(!isOn);
    if (!isOn) void sound().then(setIsAwake);
  };
  return (
    <button type="button" className={isOn && isAwake ? "button-link tone is-heard" : "button-link tone"} aria-pressed={isOn} onClick={turn}>
      <Speaker isOn={isOn} isAwake={isAwake} />
      <span className="tone-text">{isOn ? t(isAwake ? "tone.on" : "tone.asleep") : t("tone.off")}</span>
    </button>
  );
}

/** A loudspeaker: with waves when it sounds, with a question when nobody has touched the page yet, crossed out when it is off. */
function Speaker({ isOn, isAwake }: { isOn: boolean; isAwake: boolean }) {
  return (
    <>
      <svg className="tone-mark" viewBox="0 0 24 24" aria-hidden>
        <path className="is-full" d="M3 9h4l5-4.5v15L7 15H3z" />
        {isOn ? isAwake && <path d="M15.5 8.5a5 5 0 0 1 0 7M18.5 5.5a9.2 9.2 0 0 1 0 13" /> : <path d="m15.5 9 6 6m0-6-6 6" />}
      </svg>
      {isOn && !isAwake && <span aria-hidden>?</span>}
    </>
  );
}
