import type { Patient, Task } from "@qingshan/client";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Button } from "antd";
import { Link } from "wouter";
import { useTexts, type Texts } from "../language";
import { identifiersOf, kindOf, masked, nameOf } from "../patients/person";
import { useService } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { answered, pairOf, TASK, type Pair } from "./review";
import "./work.css";

/** Records that may be of one person, for somebody to say whether they are. */
export default function PeoplePage() {
  const { t } = useTexts();
  const service = useService();
  const waiting = useQuery({
    queryKey: ["people"],
    queryFn: async ({ signal }) => {
      const params = { code: `${TASK}|person-review`, status: "requested", _sort: "authored-on", _count: "20" };
      const { found } = await service.search<Task>("Task", params, signal);
      const pairs = found.map(pairOf).filter((pair) => pair !== undefined);
      const ids = [...new Set(pairs.flatMap((pair) => [pair.left, pair.right]))];
      const params2 = { _id: ids.join(","), _count: String(ids.length) };
      const people = ids.length === 0 ? [] : (await service.search<Patient>("Patient", params2, signal)).found;
      return { pairs, people: new Map(people.map((patient) => [patient.id, patient])) };
    },
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
    </section>
  );
}

/** One line of the comparison: what it is about, and what each record says. */
type Row = [name: string, left: string, right: string];

function rowsOf({ t }: Texts, left: Patient | undefined, right: Patient | undefined): Row[] {
  const say = (patient: Patient | undefined, what: (patient: Patient) => string | undefined) => (patient && what(patient)) || "–";
  const row = (name: string, what: (patient: Patient) => string | undefined): Row => [name, say(left, what), say(right, what)];
  const numbers = (patient: Patient) =>
    identifiersOf(patient)
      .map((identifier) => {
        const kind = kindOf(identifier);
        return `${"key" in kind ? t(kind.key) : kind.text} ${masked(identifier)}`;
      })
      .join("\n");
  return [
    row(t("people.name"), nameOf),
    row(t("register.sex"), (patient) => t(`sex.${patient.gender ?? "unknown"}`)),
    row(t("patient.born"), (patient) => patient.birthDate),
    row(t("people.numbers"), numbers),
    row(t("patient.phone"), (patient) => (patient.telecom ?? []).map((point) => point.value).filter(Boolean).join("\n")),
    row(t("people.address"), (patient) => (patient.address ?? []).map((one) => one.text ?? one.line?.join("")).filter(Boolean).join("\n")),
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
          {rowsOf(texts, left, right).map(([name, one, other]) => {
            const isKnown = one !== "–" && other !== "–";
            const mark = !isKnown ? "missing" : one === other ? "same" : "differs";
            return (
              <tr key={name} className={`is-${mark}`}>
                <th scope="row">{name}</th>
                <td>{one}</td>
                <td>{other}</td>
                <td className="pair-mark">{t(`people.${mark}`)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {pair.reasons.length > 0 && <p className="what">{t("people.reasons", { reasons: pair.reasons.join(" · ") })}</p>}
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
