import { Failure, type AuditEvent } from "@qingshan/client";
import { ThunderboltOutlined } from "@ant-design/icons";
import { useInfiniteQuery } from "@tanstack/react-query";
import { dayAt, timeAt } from "../calendar";
import { useTexts, type Texts } from "../language";
import { useService } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { Working } from "../Working";
import { lookOf, visitsOf, type Visit } from "./looked";
import { about } from "./reading";
import "./patients.css";

/** How many looks are asked for at once. */
const PAGE = 100;

/** Who looked into a record, from where, when and why, in plain words. */
export default function WhoLooked({ id }: { id: string }) {
  const texts = useTexts();
  const { t } = texts;
  const service = useService();
  const looked = useInfiniteQuery({
    queryKey: [...about(id), "looked"],
    queryFn: ({ pageParam, signal }) => service.page<AuditEvent>(pageParam, signal),
    initialPageParam: `/fhir/Patient/${encodeURIComponent(id)}/$who-looked?_count=${PAGE}`,
    getNextPageParam: (page) => page.next,
  });
  if (looked.isPending) return <Loading rows={6} />;
  if (looked.isError) {
    const { error } = looked;
    const isAbsent = error instanceof Failure && (error.kind === "missing" || error.kind === "invalid");
    if (isAbsent) return <Nothing title={t("looked.unavailable")} help={t("looked.unavailable.help")} />;
    return <FailureNotice cause={error} retry={() => void looked.refetch()} />;
  }
  const looks = looked.data.pages.flatMap((page) => page.found).map(lookOf);
  const visits = visitsOf(looks.filter((look) => look !== undefined));
  const days = [...new Set(visits.map((visit) => dayAt(visit.to)))];
  return (
    <section className="timeline" aria-labelledby="looked">
      <h2 id="looked">{t("looked.title")}</h2>
      <p className="hint">{t("looked.help")}</p>
      {visits.length === 0 && <Nothing title={t("looked.empty")} />}
      {days.map((day) => (
        <section className="day" key={day}>
          <h3>{day}</h3>
          <ol>
            {visits
              .filter((visit) => dayAt(visit.to) === day)
              .map((visit, place) => (
                <Line key={place} visit={visit} />
              ))}
          </ol>
        </section>
      ))}
      {looked.hasNextPage && (
        <Working
          block
          busy={looked.isFetchingNextPage ? t("state.loading") : undefined}
          onClick={() => void looked.fetchNextPage()}
        >
          {t("timeline.more")}
        </Working>
      )}
    </section>
  );
}

function Line({ visit }: { visit: Visit }) {
  const texts = useTexts();
  const { t } = texts;
  const [from, to] = [timeAt(visit.from).slice(0, 5), timeAt(visit.to).slice(0, 5)];
  return (
    <li className={visit.isEmergency ? "look is-emergency" : "look"}>
      <span className="look-who">
        <strong>{visit.as === "platform" ? t("looked.platform") : visit.who}</strong>
        {visit.as === "machine" && <span className="tag">{t("looked.machine")}</span>}
        {visit.duties.length > 0 && <span className="tag">{words(texts, "duty", visit.duties)}</span>}
        {visit.isEmergency && (
          <span className="tag tag-grave">
            <ThunderboltOutlined />{" "}
            {t("looked.emergency")}
          </span>
        )}
      </span>
      <span>{visit.where ?? (visit.as === "post" ? t("looked.nowhere") : visit.as === "machine" ? t("looked.software") : "")}</span>
      <span className="what">
        {t("looked.did", {
          acts: words(texts, "trail", visit.acts),
          purposes: visit.purposes.length === 0 ? "–" : words(texts, "purpose", visit.purposes),
        })}
        {visit.relations.length > 0 && ` ${t("looked.because", { relations: words(texts, "because", visit.relations) })}`}
        {visit.isSelfMade && <span className="look-made">{t("looked.selfMade")}</span>}
      </span>
      <span className="entry-time">
        {from === to ? from : t("timeline.until", { from, to })}
        {visit.times > 1 && ` · ${t("looked.times", { count: visit.times })}`}
      </span>
    </li>
  );
}

function words({ known, locale }: Texts, family: "because" | "duty" | "trail" | "purpose", codes: readonly string[]): string {
  return codes.map((code) => known(family, code) ?? code).join(locale === "zh-CN" ? "、" : ", ");
}
