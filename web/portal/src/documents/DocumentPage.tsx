import type { DocumentSection, DocumentValue, PrintedDocument } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { Button } from "antd";
import { useEffect } from "react";
import { Link } from "wouter";
import { useTexts, type Texts } from "../language";
import { useRuns } from "../runs/reading";
import { say } from "../runs/words";
import { FailureNotice, Loading } from "../states";
import { showMoment } from "../views/Readable";
import { pageStyle, showValue } from "./sheet";
import "./documents.css";

/** A document of a run as it will be on paper; printing it, also into a PDF, is left to the browser. */
export default function DocumentPage({ run, code }: { run: string; code: string }) {
  const { t, locale } = useTexts();
  const runs = useRuns();
  const document = useQuery({
    queryKey: ["document", run, code],
    queryFn: ({ signal }) => runs.document(run, code, signal),
    // Each asking is noted in the trail, and what is on the screen is what is printed.
    staleTime: Infinity,
    gcTime: 0,
  });
  return (
    <section className="document-page" aria-label={t("documents.label")}>
      <div className="document-tools">
        <Link href={`/runs/${encodeURIComponent(run)}`}>{t("documents.back")}</Link>
        <span className="what">{t("documents.help")}</span>
        <Button type="primary" disabled={document.data === undefined} onClick={() => print()}>
          {t("documents.print")}
        </Button>
      </div>
      {document.isError && <FailureNotice cause={document.error} retry={() => void document.refetch()} />}
      {document.isPending && <Loading rows={12} />}
      {document.data !== undefined && <Sheet key={locale} document={document.data} />}
    </section>
  );
}

function Sheet({ document }: { document: PrintedDocument }) {
  const texts = useTexts();
  const { t, locale } = texts;
  const printed = [
    t("documents.printed", { at: showMoment(texts, document.printed) }),
    document.by !== undefined ? t("documents.printed.by", { who: document.by }) : "",
  ].filter(Boolean);
  const left = [t("documents.number", { number: document.number }), ...printed].join("  ");
  useEffect(() => {
    const style = new CSSStyleSheet();
    style.replaceSync(pageStyle(document.paper, { left, right: (page, pages) => t("documents.page", { page, pages }) }));
    window.document.adoptedStyleSheets.push(style);
    const title = window.document.title;
    // The name under which a browser saves the PDF.
    window.document.title = `${say(locale, document.title)} ${document.number}`;
    return () => {
      window.document.adoptedStyleSheets = window.document.adoptedStyleSheets.filter((one) => one !== style);
      window.document.title = title;
    };
  }, [document, left, locale, t]);
  return (
    <article className={`sheet sheet-${document.paper}`}>
      <header className="sheet-head">
        {document.issuer !== undefined && <p className="sheet-issuer">{document.issuer}</p>}
        <h1>{say(locale, document.title)}</h1>
        <p className="sheet-number">
          <span>{t("documents.number", { number: document.number })}</span>
          {document.class !== undefined && <strong>{say(locale, document.class)}</strong>}
        </p>
        {document.to !== undefined && <p className="sheet-to">{t("documents.to", { to: document.to })}</p>}
      </header>
      {document.sections.map((section) => (
        <Section key={section.code} section={section} />
      ))}
      <footer className="sheet-foot">
        {document.note !== undefined && <p className="sheet-note">{say(locale, document.note)}</p>}
        <div className="sheet-signatures">
          {document.signatures.map((one) => (
            <p key={one.title.zh}>
              <span>{t("documents.sign", { who: say(locale, one.title) })}</span>
              <span className="sheet-line">{one.name}</span>
              {one.dated && <span className="sheet-date">{t("documents.date")}</span>}
            </p>
          ))}
        </div>
        <p className="sheet-origin">
          {[t("documents.run", { run: document.run, protocol: say(locale, document.protocol.title), version: document.protocol.version }), ...printed].join(" · ")}
        </p>
      </footer>
    </article>
  );
}

function Section({ section }: { section: DocumentSection }) {
  const texts = useTexts();
  const { locale, t } = texts;
  return (
    <section className="sheet-section">
      {section.title !== undefined && <h2>{say(locale, section.title)}</h2>}
      {section.lines !== undefined && (
        <dl>
          {section.lines.map((line, place) => (
            <div key={place} className={line.wide ? "is-wide" : undefined}>
              <dt>{say(locale, line.title)}</dt>
              <dd>{showAll(texts, line.values)}</dd>
            </div>
          ))}
        </dl>
      )}
      {section.columns !== undefined && (
        <table>
          <thead>
            <tr>
              {section.columns.map((title, place) => (
                <th key={place} scope="col">
                  {say(locale, title)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {(section.rows ?? []).map((row, place) => (
              <tr key={place}>
                {row.map((values, column) => (
                  <td key={column}>{showAll(texts, values)}</td>
                ))}
              </tr>
            ))}
            {section.rows?.length === 0 && (
              <tr>
                <td colSpan={section.columns.length}>{t("documents.none")}</td>
              </tr>
            )}
          </tbody>
        </table>
      )}
    </section>
  );
}

function showAll(texts: Texts, values: readonly DocumentValue[]): string {
  return values.map((value) => showValue(texts, value)).join(texts.locale === "zh-CN" ? "；" : "; ");
}
