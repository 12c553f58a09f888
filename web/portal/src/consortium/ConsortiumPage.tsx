import type { Organization, OrganizationAffiliation } from "@qingshan/client";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useSearchParams } from "wouter";
import { hasDuty, places } from "../duties";
import { useTexts } from "../language";
import { useService, useSession } from "../session";
import { FailureNotice, Loading, Nothing } from "../states";
import { AddMember } from "./AddMember";
import { Institution } from "./Institution";
import { Staff } from "./Staff";
import { treeOf, type Branch, type Tree } from "./tree";
import "./consortium.css";

const PAGE = "200";

/** The institutions of the consortium, how they belong together, and who works where as what. */
export default function ConsortiumPage() {
  const { t } = useTexts();
  const service = useService();
  const session = useSession();
  const [address] = useSearchParams();
  const [isAdding, setIsAdding] = useState(false);
  const loaded = useQuery({
    queryKey: ["consortium"],
    staleTime: 60_000,
    queryFn: async ({ signal }) => {
      const [organizations, affiliations] = await Promise.all([
        service.all<Organization>("Organization", { _count: PAGE }, signal),
        service.all<OrganizationAffiliation>("OrganizationAffiliation", { _count: PAGE }, signal),
      ]);
      return { organizations, affiliations, tree: treeOf(organizations, affiliations, Date.now()) };
    },
  });
  if (loaded.isPending) return <Loading rows={8} />;
  if (loaded.data === undefined) return <FailureNotice cause={loaded.error} retry={() => void loaded.refetch()} />;
  const { organizations, affiliations, tree } = loaded.data;
  const chosen = organizations.find((one) => one.id === address.get("at"));
  const isAdmin = hasDuty(session, "system-admin");
  return (
    <section>
      <header className="consortium-head">
        <h1>{tree.head?.name ?? t("consortium.title")}</h1>
        <Link href={places.registry}>{t("nav.registry")}</Link>
        {isAdmin && tree.head !== undefined && (
          <button type="button" className="button-link" onClick={() => setIsAdding(true)}>
            {t("consortium.add")}
          </button>
        )}
      </header>
      {organizations.length === 0 && <Nothing title={t("consortium.none")} help={t("consortium.none.help")} />}
      <div className="consortium">
        <nav className="card branches" aria-label={t("consortium.members")}>
          <Branches branches={tree.branches} chosen={chosen?.id} />
          <Alliances tree={tree} />
        </nav>
        <div className="chosen">
          {chosen === undefined ? (
            organizations.length > 0 && <Nothing title={t("consortium.choose")} />
          ) : (
            <>
              <Institution key={chosen.id} chosen={chosen} register={{ organizations, affiliations }} mayEdit={isAdmin} />
              <Staff key={`staff ${chosen.id}`} organization={chosen} mayEdit={isAdmin} />
            </>
          )}
        </div>
      </div>
      {isAdding && tree.head !== undefined && <AddMember head={tree.head} onClose={() => setIsAdding(false)} />}
    </section>
  );
}

function Branches({ branches, chosen }: { branches: readonly Branch[]; chosen: string | undefined }) {
  const { t, known } = useTexts();
  return (
    <ul className="branch">
      {branches.map(({ organization, level, isLead, managed, departments }) => (
        <li key={organization.id}>
          <Link href={`/consortium?at=${organization.id}`} aria-current={organization.id === chosen ? "true" : undefined}>
            {organization.name}
          </Link>
          {level !== undefined && <span className={`level level-${level}`}>{known("level", level)}</span>}
          {isLead && <span className="tag">{t("consortium.lead")}</span>}
          {departments.length > 0 && (
            <details open={departments.some((part) => part.id === chosen)}>
              <summary className="what">{t("consortium.departments", { count: departments.length })}</summary>
              <p className="departments">{departments.map((part) => part.name).join(" · ")}</p>
            </details>
          )}
          {managed.length > 0 && (
            <>
              <span className="what managed">{t("consortium.managed")}</span>
              <Branches branches={managed} chosen={chosen} />
            </>
          )}
        </li>
      ))}
    </ul>
  );
}

function Alliances({ tree }: { tree: Tree }) {
  const { t } = useTexts();
  if (tree.alliances.length === 0) return null;
  return (
    <>
      <h2>{t("consortium.alliances")}</h2>
      <ul className="branch">
        {tree.alliances.map(({ organization, members }) => (
          <li key={organization.id}>
            <details>
              <summary>
                {organization.name} <span className="what">{t("consortium.count", { count: members.length })}</span>
              </summary>
              <p className="departments">{members.map((member) => member.name).join(" · ")}</p>
            </details>
          </li>
        ))}
      </ul>
    </>
  );
}
