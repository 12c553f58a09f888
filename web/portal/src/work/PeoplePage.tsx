import type { Patient, Service, Task } from "@qingshan/client";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Alert, Button } from "antd";
import { Link } from "wouter";
import { useTexts, type Texts } from "../language";
import { identifiersOf, kindOf, masked, nameOf } from "../patients/person";
import { useService } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { answered, isSame, merging, pairOf, TASK, type Pair } from "./review";
import "./work.css";

/** Pairs of records and the people they are of. */
interface Pairs {
  pairs: Pair[];
  people: Map<string | undefined, Patient>;
}

async function read(service: Service, status: string, sort: string, signal: AbortSignal): Promise<Pairs> {
  const params = { code: `${TASK}|person-review`, status, _sort: sort, _count: "20" };
  const { found } = await service.search<Task>("Task", params, signal);
  const pairs = found.map(pairOf).filter((pair) => pair !== undefined);
  const ids = [...new Set(pairs.flatMap((pair) => [pair.left, pair.right]))];
  if (ids.length === 0) return { pairs, people: new Map() };
  const people = await service.search<Patient>("Patient", { _id: ids.join(","), _count: String(ids.length) }, signal);
  return { pairs, people: new Map(people.found.map((patient) => [patient.id, patient])) };
}

/** Records that may be of one person, for somebody to say whether they are. */
export default function PeoplePage() {
  const { t } = useTexts();
  const service = useService();
  const waiting = useQuery({
    queryKey: ["people", "waiting"],
    queryFn: ({ signal }) => read(service, "requested", "authored-on", signal),
  });
  return (
    <section className="stack">
      <h1>{t("people.title")}</h1>
      <p className="hint">{t("people.help")}</p>
      {waiting.isPending && <Loading rows={6} />}
      {waiting.isError && <FailureNotice cause={waiting.error} retry={() => void waiting.refetch()} />}
      {waiting.data?.pairs.length === 0 && <Nothing title={t("people.none")} />}
      {(waiting.data?.pairs ?? []).map((pair) => (
        <SideBySide
          key={pair.task.id}
          pair={pair}
          left={waiting.data?.people.get(pair.left)}
          right={waiting.data?.people.get(pair.right)}
        />
      ))}
      <Joined />
    </section>
  );
}

/** Pairs that were found to be of one person, to fold one record into the other or to take that back. */
function Joined() {
  const { t } = useTexts();
  const service = useService();
  const cache = useQueryClient();
  const joined = useQuery({
    queryKey: ["people", "joined"],
    queryFn: ({ signal }) => read(service, "completed", "-authored-on", signal),
  });
  const change = useMutation({
    mutationFn: ({ path, source, target }: { path: "$merge" | "$unmerge"; source: string; target: string }) =>
      service.operation(`Patient/${path}`, merging(source, target)),
    onSettled: () => cache.invalidateQueries({ queryKey: ["people"] }),
  });
  const same = (joined.data?.pairs ?? []).filter(({ task }) => isSame(task));
  const isApart = change.isSuccess && change.variables.path === "$unmerge";
  if (joined.isError && joined.data === undefined) return <FailureNotice cause={joined.error} retry={() => void joined.refetch()} />;
  if (same.length === 0 && !isApart) return null;
  const people = joined.data?.people;
  const replaced = (id: string) => people?.get(id)?.link?.some(({ type }) => type === "replaced-by") ?? false;
  return (
    <section className="card">
      <h2>{t("people.joined")}</h2>
      <p className="hint">{t("people.joined.help")}</p>
      {change.isError && <FailureNotice cause={change.error} />}
      {isApart && <Alert role="status" showIcon type="success" title={t("people.apart")} />}
      <ul className="lines">
        {same.map(({ task, left, right }) => {
          const folded = replaced(left) ? left : replaced(right) ? right : undefined;
          const [one, other] = [left, right].map((id) => (people?.get(id) && nameOf(people.get(id) ?? {})) ?? id);
          return (
            <li key={task.id}>
              <span>
                <strong>{t("people.pair", { left: one ?? left, right: other ?? right })}</strong>
                {folded !== undefined && <span className="tag">{t("people.merged")}</span>}
              </span>
              {folded === undefined ? (
                <span className="form-end">
                  <Button disabled={change.isPending} onClick={() => change.mutate({ path: "$merge", source: right, target: left })}>
                    {t("people.merge.left")}
                  </Button>
                  <Button disabled={change.isPending} onClick={() => change.mutate({ path: "$merge", source: left, target: right })}>
                    {t("people.merge.right")}
                  </Button>
                </span>
              ) : (
                <Button
                  disabled={change.isPending}
                  onClick={() => change.mutate({ path: "$unmerge", source: folded, target: folded === left ? right : left })}
                >
                  {t("people.unmerge")}
                </Button>
              )}
            </li>
          );
        })}
      </ul>
    </section>
  );
}

/** One line of the comparison: what it is called here and in the index, and what each record says. */
type Row = [name: string, field: string, left: string, right: string];

/** Levels that speak for one person; the others are to be looked at. */
const AGREES = new Set(["same", "sound", "swapped"]);

function rowsOf({ t }: Texts, left: Patient | undefined, right: Patient | undefined): Row[] {
  const say = (patient: Patient | undefined, what: (patient: Patient) => string | undefined) => (patient && what(patient)) || "–";
  const row = (name: string, field: string, what: (patient: Patient) => string | undefined): Row => [
    name,
    field,
    say(left, what),
    say(right, what),
  ];
  const numbers = (patient: Patient) =>
    identifiersOf(patient)
      .map((identifier) => {
        const kind = kindOf(identifier);
        return `${"key" in kind ? t(kind.key) : kind.text} ${masked(identifier)}`;
      })
      .join("\n");
  return [
    row(t("people.name"), "name", nameOf),
    row(t("register.sex"), "sex", (patient) => t(`sex.${patient.gender ?? "unknown"}`)),
    row(t("patient.born"), "birth", (patient) => patient.birthDate),
    row(t("people.numbers"), "resident_id", numbers),
    row(t("patient.phone"), "phone", (patient) => (patient.telecom ?? []).map((point) => point.value).filter(Boolean).join("\n")),
    row(t("people.address"), "address", (patient) => (patient.address ?? []).map((one) => one.text ?? one.line?.join("")).filter(Boolean).join("\n")),
  ];
}

function SideBySide({ pair, left, right }: { pair: Pair; left: Patient | undefined; right: Patient | undefined }) {
  const texts = useTexts();
  const { t } = texts;
  const service = useService();
  const cache = useQueryClient();
  const answer = useMutation({
    mutationFn: (is: "same" | "different") => service.update(answered(pair.task, is)),
    onSuccess: () => cache.invalidateQueries({ queryKey: ["people"] }),
  });
  const open = (id: string) => (
    <Link href={`/patients/${encodeURIComponent(id)}`} className="what">
      {t("people.open")}
    </Link>
  );
  return (
    <article className="card pair">
      <table>
        <thead>
          <tr>
            <td />
            <th scope="col">
              {t("people.left")} {open(pair.left)}
            </th>
            <th scope="col">
              {t("people.right")} {open(pair.right)}
            </th>
            <td />
          </tr>
        </thead>
        <tbody>
          {rowsOf(texts, left, right).map(([name, field, one, other]) => {
            const level = pair.findings.find((finding) => finding.field === field)?.level;
            const isKnown = one !== "–" && other !== "–";
            const mark = level ?? (!isKnown ? "missing" : one === other ? "same" : "different");
            const isDoubtful = mark !== "missing" && !AGREES.has(mark);
            return (
              <tr key={field} className={isDoubtful ? "is-differs" : ""}>
                <th scope="row">{name}</th>
                <td>{one}</td>
                <td>{other}</td>
                <td className="pair-mark">
                  {isDoubtful ? "≠" : mark === "missing" ? "○" : "＝"} {texts.known("agreement", mark) ?? mark}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {pair.probability !== undefined && (
        <p className="what">{t("people.probability", { percent: (pair.probability * 100).toFixed(1) })}</p>
      )}
      {answer.isError && <FailureNotice cause={answer.error} />}
      <div className="form-end">
        <Button size="large" disabled={answer.isPending} onClick={() => answer.mutate("different")}>
          {t("people.different")}
        </Button>
        <Button size="large" type="primary" disabled={answer.isPending} onClick={() => answer.mutate("same")}>
          {t("people.is")}
        </Button>
      </div>
    </article>
  );
}
