import type { Parameters } from "@qingshan/client";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Input } from "antd";
import { useState } from "react";
import { showDate } from "../calendar";
import { useTexts } from "../language";
import { useService } from "../session";
import { FailureNotice, Loading } from "../states";
import { readDifference, readEditions, type Edition } from "./reading";
import { signs, termOf } from "./words";

/** The editions of the map, what is different between each and the one before, and the next one. */
export function Editions({ isEditor }: { isEditor: boolean }) {
  const { t, locale } = useTexts();
  const service = useService();
  const cache = useQueryClient();
  const [note, setNote] = useState("");
  const [isAsked, setIsAsked] = useState(false);
  const [cause, setCause] = useState<unknown>();
  const found = useQuery({
    queryKey: ["map-editions"],
    queryFn: async ({ signal }) => readEditions(await service.operation<Parameters>("Library/$map-editions", undefined, signal)),
  });
  const done = () => Promise.all([cache.invalidateQueries({ queryKey: ["map-editions"] }), cache.invalidateQueries({ queryKey: ["map-difference"] })]);
  const act = (path: string, parameter: Parameters["parameter"]) => {
    setCause(undefined);
    setIsAsked(false);
    service.operation(path, { resourceType: "Parameters", ...(parameter !== undefined && { parameter }) }).then(done).catch(setCause);
  };
  const editions = [...(found.data ?? [])].reverse();
  const draft = editions.find(({ isDraft }) => isDraft);
  return (
    <section className="card registry-editions" aria-label={t("editions.title")}>
      <h2>{t("editions.title")}</h2>
      {found.isPending && <Loading rows={2} />}
      {found.isError && <FailureNotice cause={found.error} retry={() => void found.refetch()} />}
      {found.isSuccess && editions.length === 0 && <p className="hint">{t("editions.none")}</p>}
      <ol>
        {editions.map((edition) => (
          <li key={edition.number}>
            <p>
              <strong>{t("editions.number", { number: edition.number })}</strong>{" "}
              {edition.isDraft ? <span className="registry-own">{t("editions.draft")}</span> : t("editions.from", { date: showDate(edition.from, locale) })}
              {" · "}
              {t("editions.sites", { count: edition.sites })}
              {!edition.isDraft && (
                <>
                  {" · "}
                  <a href={`/map?edition=${edition.number}`} target="_blank" rel="noreferrer">
                    {t("editions.print")}
                  </a>
                </>
              )}
            </p>
            {edition.note !== undefined && <p className="hint">{edition.note}</p>}
            {edition.number > 1 && <Changes edition={edition} />}
          </li>
        ))}
      </ol>
      {isEditor && (
        <div className="registry-next">
          <label>
            {t("editions.note")}
            <Input value={note} maxLength={500} onChange={(event) => setNote(event.target.value)} />
          </label>
          <button type="button" className="registry-press" onClick={() => act("Library/$draft-map", note.trim() === "" ? undefined : [{ name: "note", valueString: note.trim() }])}>
            {t(draft === undefined ? "editions.make" : "editions.again")}
          </button>
          {draft !== undefined && (
            <button
              type="button"
              className="registry-press is-limited"
              onClick={() => (isAsked ? act(`Library/capability-map-${draft.number}/$publish-map`, undefined) : setIsAsked(true))}
            >
              {isAsked ? t("editions.publish.sure") : t("editions.publish", { number: draft.number })}
            </button>
          )}
          {cause !== undefined && <FailureNotice cause={cause} />}
        </div>
      )}
    </section>
  );
}

function Changes({ edition }: { edition: Edition }) {
  const texts = useTexts();
  const { t, known, locale } = texts;
  const service = useService();
  const [from, to] = [edition.number - 1, edition.number];
  const found = useQuery({
    queryKey: ["map-difference", from, to, edition.isDraft],
    queryFn: async ({ signal }) => readDifference(await service.operation<Parameters>(`Library/$map-difference?from=${from}&to=${to}`, undefined, signal)),
  });
  if (found.data === undefined) return found.isError ? <FailureNotice cause={found.error} /> : <Loading rows={1} />;
  const { joined, left, changed } = found.data;
  if (joined.length + left.length + changed.length === 0) return <p className="hint">{t("editions.same", { number: from })}</p>;
  const side = (what: string, value: string | undefined) =>
    value === undefined ? t("editions.nothing") : ["level", "capabilities", "suspended"].includes(what) ? value.split(" ").map((one) => termOf(texts, one)).join(signs(locale).comma) : value;
  return (
    <ul className="registry-changes" aria-label={t("editions.changes", { number: from })}>
      {joined.map(({ institution, row }) => (
        <li key={`+${institution}${row}`}>
          <span aria-hidden>＋ </span>
          {t("editions.joined", { place: institution, what: row })}
        </li>
      ))}
      {left.map(({ institution, row }) => (
        <li key={`-${institution}${row}`}>
          <span aria-hidden>－ </span>
          {t("editions.left", { place: institution, what: row })}
        </li>
      ))}
      {changed.map(({ institution, row, what, before, after }) => (
        <li key={`${institution}${row}${what}`}>
          <span aria-hidden>→ </span>
          {t("editions.changed", { place: institution, row, what: known("editions.what", what) ?? what, before: side(what, before), after: side(what, after) })}
        </li>
      ))}
    </ul>
  );
}
