import type { CodeSystem, Coding, Concept, Questionnaire, Resource, Service, ValueSet } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { itemsOf as collection, type Item } from "./path/item";
import { variablesOf } from "./path/parse";
import { expressionsOf, itemsOf } from "./questionnaire";

/** Where the forms of service lines are named. */
const FORMS = "https://qingshan.dev/fhir/Questionnaire/";

/** The lists of service lines. */
const LISTS = "https://qingshan.dev/fhir/ValueSet/";

/** The address of a list by the code a protocol gives it. */
export const listUrl = (code: string): string => (code.includes(":") ? code : LISTS + code);

/** The form of a code, as it was last published. */
export function useForm(service: Service, code: string | undefined) {
  return useQuery({
    queryKey: ["form", code],
    enabled: code !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: ({ signal }): Promise<Questionnaire | null> => formOf(service, code ?? "", signal),
  });
}

/** Reads the form of a code, as it was last published. */
export async function formOf(service: Service, code: string, signal?: AbortSignal): Promise<Questionnaire | null> {
  const asked = { url: FORMS + code, _sort: "-_lastUpdated", _count: "1" };
  const { found } = await service.search<Questionnaire>("Questionnaire", asked, signal);
  return found[0] ?? null;
}

/** The codings of value sets, each with its score and in both languages, by the address of its set. */
export function useLists(service: Service, addresses: readonly string[]) {
  return useQuery({
    queryKey: ["lists", ...addresses],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }): Promise<Map<string, Coding[]>> => {
      const lists = await Promise.all(addresses.map((address) => expanded(service, address, signal)));
      return new Map(addresses.map((address, place) => [address, lists[place] ?? []]));
    },
  });
}

/** Reads the codings of a value set, each with its score and in both languages. */
export async function expanded(service: Service, address: string, signal?: AbortSignal): Promise<Coding[]> {
  const set = await service.operation<ValueSet>(`ValueSet/$expand?url=${encodeURIComponent(address)}`, undefined, signal);
  const codings = set.expansion?.contains ?? [];
  const systems = [...new Set(codings.flatMap(({ system }) => system ?? []))];
  // An expansion tells neither the scores nor the words in other languages; the systems the codes are of do.
  const pages = await Promise.all(systems.map((url) => service.search<CodeSystem>("CodeSystem", { url, _count: "1" }, signal)));
  const concepts = new Map(pages.flatMap(({ found: [system] }) => flat(system?.concept).map((one) => [`${system?.url}|${one.code}`, one] as const)));
  return codings.map((coding) => described(coding, concepts.get(`${coding.system}|${coding.code}`)));
}

const flat = (concepts: readonly Concept[] | undefined): Concept[] => (concepts ?? []).flatMap((one) => [one, ...flat(one.concept)]);

const ORDINAL = "http://hl7.org/fhir/StructureDefinition/ordinalValue";
const TRANSLATION = "http://hl7.org/fhir/StructureDefinition/translation";

function described({ system, code, display }: Coding, concept: Concept | undefined): Coding {
  const scores = (concept?.extension ?? []).filter(({ url }) => /ordinalValue$|itemWeight$/.test(url));
  const extension = scores.map((score) => ({ ...score, url: ORDINAL }));
  const words = (concept?.designation ?? []).filter(({ language }) => language !== undefined);
  const translations = words.map(({ language = "", value }) => ({
    url: TRANSLATION,
    extension: [
      { url: "lang", valueCode: language },
      { url: "content", valueString: value },
    ],
  }));
  const shown = concept?.display ?? display;
  return {
    ...(system !== undefined && { system }),
    ...(code !== undefined && { code }),
    ...(shown !== undefined && { display: shown }),
    ...(extension.length > 0 && { extension }),
    ...(translations.length > 0 && { _display: { extension: translations } }),
  };
}

/** The value sets whose codings a form offers. */
export function listsOf(form: Questionnaire): string[] {
  return [...new Set([...itemsOf(form.item)].flatMap(({ answerValueSet }) => answerValueSet ?? []))];
}

/** What the expressions of a form call by name. */
export function namesOf(form: Questionnaire): Set<string> {
  return new Set(
    expressionsOf(form).flatMap((expression) => {
      try {
        return variablesOf(expression);
      } catch {
        // It is found out about where it is evaluated.
        return [];
      }
    }),
  );
}

/** What a form may ask of the run it belongs to. */
export interface Surroundings {
  patient: string | undefined;
  focus: string | undefined;
  /** The id of the root Task. */
  run: string;
  /** The searches of the protocol, by name. */
  data: readonly { code: string; query: string }[];
}

/** Reads what a form's expressions name, and nothing else. What may not be read is as if it were not there. */
export function useNames(service: Service, form: Questionnaire | null | undefined, around: Surroundings | undefined) {
  const names = form ? [...namesOf(form)].sort() : [];
  return useQuery({
    // Whose data they are is part of what they are: before a run begins, its id does not tell patients apart.
    queryKey: ["form-names", form?.id, around?.run, around?.patient, around?.focus, ...names],
    enabled: form != null && around !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    queryFn: async ({ signal }): Promise<Map<string, Item[]>> => {
      const { patient, focus, run, data } = around as Surroundings;
      const references = { patient, focus, run: `Task/${run}` };
      const ids = { patient, focus, run };
      const id = (name: keyof typeof ids) => encodeURIComponent((ids[name] ?? "").replace(/^\w+\//, ""));
      const filled = (query: string) => query.replace(/\{(patient|focus|run)\}/g, (_, name: keyof typeof ids) => id(name));
      const read = async (name: string): Promise<unknown[]> => {
        const reference = references[name as keyof typeof references];
        if (reference !== undefined) {
          const [type = "", id = ""] = reference.split("/");
          return [await service.read<Resource>(type, id, signal)];
        }
        const query = data.find(({ code }) => code === name)?.query;
        return query === undefined ? [] : (await service.page<Resource>(`/fhir/${filled(query)}`, signal)).found;
      };
      const wanted = names.filter((name) => name in references || data.some(({ code }) => code === name));
      const found = await Promise.all(wanted.map((name) => read(name).catch(() => [])));
      return new Map(wanted.map((name, place) => [name, collection(found[place])]));
    },
  });
}
