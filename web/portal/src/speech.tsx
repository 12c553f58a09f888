import { PauseOutlined, SoundOutlined } from "@ant-design/icons";
import { useEffect, useRef, useState } from "react";
import { useTexts } from "./language";

const BLOCKS = "h1, h2, h3, p, li, dt, dd, label, legend, button, [role=status], [role=alert], td, th";

/** What stands on the screen, sentence by sentence, in the order in which it is read. */
function sentences(root: Element): string[] {
  const found: string[] = [];
  for (const block of root.querySelectorAll<HTMLElement>(BLOCKS)) {
    // A block that holds other blocks is read by its parts; what is folded away is not read.
    if (block.querySelector(BLOCKS) !== null || !block.checkVisibility()) continue;
    const text = block.innerText.replace(/\s+/g, " ").trim();
    if (text !== "" && found.at(-1) !== text) found.push(text);
  }
  return found;
}

/** Reads the screen out, and shows what it is reading. */
export function ReadAloud() {
  const { t, locale } = useTexts();
  const [spoken, setSpoken] = useState<string>();
  const run = useRef(0);

  const stop = () => {
    run.current += 1;
    globalThis.speechSynthesis?.cancel();
    setSpoken(undefined);
  };
  useEffect(() => stop, []);
  const start = () => {
    const root = document.getElementById("content");
    if (root === null) return;
    const queue = sentences(root);
    const own = ++run.current;
    const next = () => {
      if (run.current !== own) return;
      const text = queue.shift();
      if (text === undefined) return setSpoken(undefined);
      setSpoken(text);
      const words = new SpeechSynthesisUtterance(text);
      words.lang = locale;
      // Slower than usual: it is for those who cannot read along fast.
      words.rate = 0.85;
      words.onend = next;
      words.onerror = () => {
        if (run.current === own) setSpoken(t("speech.none"));
      };
      speechSynthesis.speak(words);
    };
    if (!("speechSynthesis" in globalThis) || speechSynthesis.getVoices().length === 0) setSpoken(t("speech.none"));
    else next();
  };
  return (
    <div className="aloud">
      {spoken !== undefined && (
        <p className="aloud-text" role="status">
          {spoken}
        </p>
      )}
      <button type="button" onClick={spoken === undefined ? start : stop}>
        {spoken === undefined ? <SoundOutlined /> : <PauseOutlined />} {t(spoken === undefined ? "speech.start" : "speech.stop")}
      </button>
    </div>
  );
}
