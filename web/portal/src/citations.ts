import type { Locale } from "./calendar";
import citations from "./strings/citations.json";

const known = new Map(citations.flatMap((one) => [[one["zh-CN"], one], [one.en, one]] as const));

/**
 * Where a number or a rule comes from, in the language of the screen. What is cited is part of a protocol or of the rules of
 * a region and is written there in one language; what has no words in the other stands as it was written.
 */
export const cited = (locale: Locale, source: string): string => known.get(source)?.[locale] ?? source;
