import type { ConfigProviderProps } from "antd";
import { createContext, useCallback, useContext, useLayoutEffect, useMemo, useState, type ReactNode } from "react";
import type { Locale } from "./calendar";
import { patiently } from "./patiently";
import type catalogue from "./strings/zh-CN.json";

/** The name of a string in the catalogues. */
export type Key = keyof typeof catalogue;
type Strings = Record<Key, string>;

/** A language that was loaded: every string of the portal and those of the component library. */
export interface Loaded {
  locale: Locale;
  strings: Strings;
  components: NonNullable<ConfigProviderProps["locale"]>;
}

const KEPT = "qingshan.language";

/** The language this browser was left in, else the one it is set to; Chinese unless it asks for English. */
export function firstLocale(): Locale {
  const kept = localStorage.getItem(KEPT);
  if (kept === "zh-CN" || kept === "en") return kept;
  return navigator.languages.some((language) => language.startsWith("zh")) || !navigator.language.startsWith("en")
    ? "zh-CN"
    : "en";
}

/** Loads a language. Only the one that is read travels over a slow line. */
export async function load(locale: Locale): Promise<Loaded> {
  const { strings, components } = await (locale === "zh-CN" ? import("./strings/zh-CN") : import("./strings/en"));
  return { locale, strings, components };
}

/** Codes that the catalogues have words for, each under its own prefix. */
export type Family =
  | "agreement"
  | "editions.what"
  | "routing.capability"
  | "routing.figure"
  | "routing.level"
  | "routing.pathway"
  | "routing.reason"
  | "routing.rule"
  | "routing.suspended"
  | "routing.taking"
  | "ambulance.answer"
  | "owed.age"
  | "owed.status"
  | "plan.done"
  | "plan.part"
  | "plan.status"
  | "ambulance.item"
  | "because"
  | "criticality"
  | "duty"
  | "element"
  | "flag"
  | "glass.reason"
  | "kind"
  | "level"
  | "loinc"
  | "purpose"
  | "relation"
  | "run.end"
  | "setting"
  | "status"
  | "ties.by"
  | "trail";

/** Texts in the language of the screen. */
export interface Texts {
  locale: Locale;
  /** The string of this name, with its `{places}` filled. */
  t(key: Key, places?: Readonly<Record<string, string | number>>): string;
  /** The string of a name that is made up of a code, if the catalogue knows that code. */
  known(family: Family, code: string | undefined): string | undefined;
  /** Changes the language of the whole screen. */
  choose(locale: Locale): void;
}

const Context = createContext<Texts | undefined>(undefined);

/** The texts of the language that is chosen. */
export function useTexts(): Texts {
  const texts = useContext(Context);
  if (texts === undefined) throw new Error("a screen stands inside Language");
  return texts;
}

/** Gives everything inside it the chosen language. */
export function Language({ first, children }: { first: Loaded; children: (loaded: Loaded) => ReactNode }) {
  const [loaded, setLoaded] = useState(first);
  const choose = useCallback((locale: Locale) => {
    void patiently(() => load(locale)).then((next) => {
      localStorage.setItem(KEPT, locale);
      setLoaded(next);
    });
  }, []);
  // Before what stands on a screen names its tab: that is more than the name of the whole.
  useLayoutEffect(() => {
    document.documentElement.lang = loaded.locale;
    document.title = loaded.strings["brand.title"];
  }, [loaded]);
  const texts = useMemo<Texts>(() => {
    const strings: Partial<Record<string, string>> = loaded.strings;
    return {
      locale: loaded.locale,
      t: (key, places) => fill(loaded.strings[key], places),
      known: (family, code) => strings[`${family}.${code}`],
      choose,
    };
  }, [loaded, choose]);
  return <Context value={texts}>{children(loaded)}</Context>;
}

function fill(text: string, places: Readonly<Record<string, string | number>> = {}): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(places[name] ?? whole));
}
