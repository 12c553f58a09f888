import { ConfigProvider, theme, type ConfigProviderProps } from "antd";
import type { ReactNode } from "react";
import type { Loaded } from "./language";
import { useMatch, useSettings } from "./settings";

const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** Colours that people who cannot tell red from green still tell apart; the same names stand in look.css. */
const light = {
  colorPrimary: "#0b6b5f",
  colorLink: "#0b5f8a",
  colorError: "#b3261e",
  colorWarning: "#9a5b00",
  colorInfo: "#0b5f8a",
  colorSuccess: "#0b6b5f",
  colorTextPlaceholder: "#51605d",
};
const dark = {
  colorPrimary: "#4fb8a8",
  colorLink: "#7cc4f0",
  colorError: "#ff8a80",
  colorWarning: "#f0b35a",
  colorInfo: "#7cc4f0",
  colorSuccess: "#4fb8a8",
  colorTextPlaceholder: "#a9b8b4",
};

const fonts =
  'system-ui, -apple-system, "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", sans-serif';

/** Gives the components of the library the project's look, as light and as large as it was asked for. */
export function Look({ components, children }: { components: Loaded["components"]; children: ReactNode }) {
  const { isDark, isElder } = useSettings();
  const isCalm = useMatch(calm);
  const settings: NonNullable<ConfigProviderProps["theme"]> = {
    algorithm: isDark ? theme.darkAlgorithm : theme.defaultAlgorithm,
    token: {
      ...(isDark ? dark : light),
      fontFamily: fonts,
      fontSize: isElder ? 22 : 16,
      controlHeight: isElder ? 56 : 40,
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
