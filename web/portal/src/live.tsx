import { follow, type Change, type Following, type LiveState } from "@qingshan/client";
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { timeAt } from "./calendar";
import { useTexts } from "./language";
import { showAgo } from "./patients/show";
import { useService } from "./session";

/** The moment, renewed as often as given, in milliseconds. */
export function useNow(every: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

/** Whether this device says that it has a network. */
export function useIsOnline(): boolean {
  return useSyncExternalStore(
    (changed) => {
      addEventListener("online", changed);
      addEventListener("offline", changed);
      return () => {
        removeEventListener("online", changed);
        removeEventListener("offline", changed);
      };
    },
    () => navigator.onLine,
  );
}

/** Follows a topic as long as the screen is shown. `onNews` is called whenever what is shown may no longer be all. */
export function useLive(topic: string, onNews: (change: Change | undefined) => void): { state: LiveState; retry(): void } {
  const service = useService();
  const [state, setState] = useState<LiveState>({ kind: "connecting" });
  const following = useRef<Following>(undefined);
  const told = useRef(onNews);
  told.current = onNews;
  useEffect(() => {
    const stream = follow(service, topic, {
      onChange: (change) => told.current(change),
      onGap: () => told.current(undefined),
      onState: setState,
    });
    following.current = stream;
    const retry = () => stream.retry();
    const lose = () => stream.lose();
    addEventListener("online", retry);
    addEventListener("offline", lose);
    return () => {
      removeEventListener("online", retry);
      removeEventListener("offline", lose);
      stream.close();
    };
  }, [service, topic]);
  return { state, retry: () => following.current?.retry() };
}

/** Says whether a screen is live, and as of when, in a word, a sign and a colour that do not need one another. */
export function LiveMark({ state }: { state: LiveState }) {
  const { t } = useTexts();
  return (
    <span className={`live live-${state.kind}`} role="status">
      <span className="live-dot" aria-hidden />
      {t(`live.${state.kind}`)}
    </span>
  );
}

/** Tells over the data how old it is once the line is gone, and nothing while it is there. */
export function StaleBanner({ state, retry }: { state: LiveState; retry(): void }) {
  const texts = useTexts();
  const { t } = texts;
  const now = useNow(1_000);
  const isOnline = useIsOnline();
  if (state.kind !== "lost" && isOnline) return null;
  const heard = "heard" in state ? state.heard : undefined;
  const text = () => {
    if (heard === undefined) return t("offline.none");
    return t("offline.stale", { time: timeAt(heard), ago: showAgo(texts, heard, now) });
  };
  return (
    <div className="stale">
      {/* Only the fact is announced; a clock that is read aloud every second helps nobody. */}
      <strong role="alert">{t("offline.banner")}</strong>
      <span>{text()}</span>
      <button type="button" onClick={retry}>
        {t("offline.retry")}
      </button>
    </div>
  );
}
