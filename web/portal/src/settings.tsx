import { createContext, useContext, useEffect, useMemo, useState, useSyncExternalStore, type ReactNode } from "react";

/** How the whole shell looks at this browser. It is a matter of eyes and rooms, not of accounts, so it stays here. */
export interface Settings {
  /** `device` follows the device; `dark` is for rooms where images are read and for nights. */
  theme: "device" | "light" | "dark";
  /** Large type and large targets, and every screen can be read out. */
  isElder: boolean;
}

interface Held extends Settings {
  isDark: boolean;
  change(part: Partial<Settings>): void;
}

const KEPT = "qingshan.settings";
const usual: Settings = { theme: "device", isElder: false };

const darkness = matchMedia("(prefers-color-scheme: dark)");

/** Whether a media query matches now. */
export function useMatch(media: MediaQueryList): boolean {
  return useSyncExternalStore(
    (changed) => {
      media.addEventListener("change", changed);
      return () => media.removeEventListener("change", changed);
    },
    () => media.matches,
  );
}

const Context = createContext<Held | undefined>(undefined);

/** The settings of this browser. */
export function useSettings(): Held {
  const held = useContext(Context);
  if (held === undefined) throw new Error("a screen stands inside SettingsKeeper");
  return held;
}

/** Keeps the settings and marks the document with them, for the style sheets. */
export function SettingsKeeper({ children }: { children: ReactNode }) {
  const [settings, setSettings] = useState(kept);
  const deviceIsDark = useMatch(darkness);
  const isDark = settings.theme === "dark" || (settings.theme === "device" && deviceIsDark);
  useEffect(() => {
    const { dataset } = document.documentElement;
    dataset["theme"] = isDark ? "dark" : "light";
    dataset["type"] = settings.isElder ? "large" : "usual";
  }, [isDark, settings.isElder]);
  const held = useMemo<Held>(() => {
    const change = (part: Partial<Settings>) => {
      const next = { ...settings, ...part };
      localStorage.setItem(KEPT, JSON.stringify(next));
      setSettings(next);
    };
    return { ...settings, isDark, change };
  }, [settings, isDark]);
  return <Context value={held}>{children}</Context>;
}

function kept(): Settings {
  try {
    return { ...usual, ...(JSON.parse(localStorage.getItem(KEPT) ?? "{}") as Partial<Settings>) };
  } catch {
    return usual;
  }
}
