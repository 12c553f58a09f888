import { ConfigProvider, theme, type ConfigProviderProps } from "antd";
import { useSyncExternalStore, type ReactNode } from "react";
import type { Loaded } from "./language";

const darkness = matchMedia("(prefers-color-scheme: dark)");
const calm = matchMedia("(prefers-reduced-motion: reduce)");

function useMatch(media: MediaQueryList): boolean {
  return useSyncExternalStore(
    (changed) => {
      media.addEventListener("change", changed);
      return () => media.removeEventListener("change", changed);
    },
    () => media.matches,
  );
}

/** Colours that people who cannot tell red from green still tell apart; the same names stand in look.css. */
const light = {
  colorPrimary: "#0b6b5f",
  colorLink: "#0b5f8a",
  colorError: "#b3261e",
  colorWarning: "#9a5b00",
  colorInfo: "#0b5f8a",
  colorSuccess: "#0b6b5f",
};
const dark = {
  colorPrimary: "#4fb8a8",
  colorLink: "#7cc4f0",
  colorError: "#ff8a80",
  colorWarning: "#f0b35a",
  colorInfo: "#7cc4f0",
  colorSuccess: "#4fb8a8",
};

const fonts =
  'system-ui, -apple-system, "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", sans-serif';

/** Gives the components of the library the project's look, light or dark as the device asks. */
export function Look({ components, children }: { components: Loaded["components"]; children: ReactNode }) {
  const isDark = useMatch(darkness);
  const isCalm = useMatch(calm);
  const settings: NonNullable<ConfigProviderProps["theme"]> = {
    algorithm: isDark ? theme.darkAlgorithm : theme.defaultAlgorithm,
    token: {
      ...(isDark ? dark : light),
      fontFamily: fonts,
      fontSize: 16,
      controlHeight: 40,
      borderRadius: 8,
      motion: !isCalm,
      ...(isDark && { colorTextLightSolid: "#06201c" }),
    },
  };
  return (
    <ConfigProvider locale={components} theme={settings} button={{ autoInsertSpace: false }}>
      {children}
    </ConfigProvider>
  );
}
