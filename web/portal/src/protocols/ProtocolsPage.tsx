import { useQuery } from "@tanstack/react-query";
import { Link, useSearchParams } from "wouter";
import { useTexts } from "../language";
import { useRuns } from "../runs/reading";
import { say } from "../runs/words";
import { FailureNotice, Loading, Nothing } from "../states";
import "./protocols.css";

/** Every protocol that is in force. */
export default function ProtocolsPage() {
  const { t, locale } = useTexts();
  const runs = useRuns();
  const [address] = useSearchParams();
  // Whoever comes from a patient means to start one for them.
  const patient = address.get("patient");
  const whom = patient === null ? "" : `&patient=${encodeURIComponent(patient)}`;
  const protocols = useQuery({ queryKey: ["protocols"], queryFn: ({ signal }) => runs.protocols(signal) });
  const offered = (protocols.data ?? []).filter((one) => patient === null || one.mayStart);
  const sorted = [...offered].sort((left, right) =>
    say(locale, left.title).localeCompare(say(locale, right.title), locale),
  );
  return (
    <section className="protocols">
      <h1>{t("protocols.title")}</h1>
      {protocols.isPending && <Loading rows={6} />}
      {protocols.isError && <FailureNotice cause={protocols.error} retry={() => void protocols.refetch()} />}
      {protocols.isSuccess && sorted.length === 0 && <Nothing title={t("protocols.none")} help={t("protocols.none.help")} />}
      <ul className="protocol-list">
        {sorted.map((one) => {
          const path = `/protocols/${encodeURIComponent(one.code)}`;
          return (
            <li key={one.code} className="card">
              <h2>
                <Link href={path}>{say(locale, one.title)}</Link>
              </h2>
              {one.purpose !== undefined && <p>{say(locale, one.purpose)}</p>}
              <p className="what">
                {t("protocols.version", { version: one.version })}
                {" · "}
                {[...new Set(one.starts.map((start) => t(`protocols.by.${start.by}`)))].join(locale === "zh-CN" ? "、" : ", ")}
              </p>
              <p className="protocol-doors">
                {one.mayStart && (
                  <Link className="button-link is-main" href={`${path}?view=start${whom}`}>
                    {t("protocols.start")}
                  </Link>
                )}
                <Link className="button-link" href={path}>
                  {t("protocols.view.drawn")}
                </Link>
                <Link className="button-link" href={`${path}?view=rehearsal`}>
                  {t("protocols.view.rehearsal")}
                </Link>
                <Link className="button-link" href={`${path}?view=figures`}>
                  {t("protocols.view.figures")}
                </Link>
              </p>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
