import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { useTexts } from "../language";
import { aboutRun, useRuns } from "../runs/reading";
import { say } from "../runs/words";
import { FailureNotice } from "../states";
import "./documents.css";

/** What a run can be printed as now; nothing where there is nothing. */
export function Documents({ run }: { run: string }) {
  const { t, locale } = useTexts();
  const runs = useRuns();
  const documents = useQuery({
    queryKey: [...aboutRun(run), "documents"],
    queryFn: ({ signal }) => runs.documents(run, signal),
  });
  if (documents.isError && documents.data === undefined) return <FailureNotice cause={documents.error} retry={() => void documents.refetch()} />;
  if (documents.data === undefined || documents.data.length === 0) return null;
  return (
    <nav className="documents" aria-label={t("documents.title")}>
      {documents.data.map((one) => (
        <Link key={one.code} className="button-link" href={`/runs/${encodeURIComponent(run)}/documents/${encodeURIComponent(one.code)}`}>
          <PrintSign />
          {t("documents.open", { title: say(locale, one.title) })}
        </Link>
      ))}
    </nav>
  );
}

function PrintSign() {
  return (
    <svg className="documents-sign" viewBox="0 0 16 16" aria-hidden>
      <path d="M4 6V2h8v4M4 11H2V6h12v5h-2M4 9h8v5H4z" />
    </svg>
  );
}
