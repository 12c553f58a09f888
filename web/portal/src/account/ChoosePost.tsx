import { useState } from "react";
import { dayAt } from "../calendar";
import { useTexts } from "../language";
import { useDoor, useSession } from "../session";
import { FailureNotice, Nothing } from "../states";
import { showDuties } from "./Post";

/** Where somebody with several posts says as which of them they are here. */
export function ChoosePost() {
  const texts = useTexts();
  const { t } = texts;
  const { account, enter } = useDoor();
  const session = useSession();
  const [cause, setCause] = useState<unknown>();
  const choose = (role: string) => {
    setCause(undefined);
    account.choose(role, session.csrf).then(enter, setCause);
  };
  if (session.posts.length === 0) {
    return <Nothing title={t("post.none")} help={t("post.none.help", { name: session.name })} />;
  }
  return (
    <section className="card choose-post">
      <h1>{t("post.choose")}</h1>
      <p className="hint">{t("post.choose.help")}</p>
      {cause !== undefined && <FailureNotice cause={cause} />}
      <ul>
        {session.posts.map((post) => (
          <li key={post.role}>
            <button type="button" onClick={() => choose(post.role)}>
              <strong>{post.organizationName}</strong>
              <span>{showDuties(texts, post)}</span>
              {/* A post is over at the moment it is told to end, so its last day is the one before that. */}
              {post.until !== undefined && (
                <span className="what">{t("post.until", { date: dayAt(Date.parse(post.until) - 1) })}</span>
              )}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
