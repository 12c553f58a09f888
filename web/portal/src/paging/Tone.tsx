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
    <button type="button" className="button-link tone" aria-pressed={isOn} onClick={turn}>
      <span aria-hidden>{isOn ? (isAwake ? "♪" : "♪?") : "∅"}</span>
      <span className="tone-text">{isOn ? t(isAwake ? "tone.on" : "tone.asleep") : t("tone.off")}</span>
    </button>
  );
}
