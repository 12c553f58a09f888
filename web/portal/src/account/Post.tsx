import type { Post } from "@qingshan/client";
import { postOf } from "../duties";
import { useTexts, type Texts } from "../language";
import { useDoor, useSession } from "../session";

/** The duties of a post in words. */
export function showDuties({ known, locale }: Texts, post: Pick<Post, "duties">): string {
  return post.duties.map((duty) => known("duty", duty) ?? duty).join(locale === "zh-CN" ? "、" : ", ");
}

/** The post that is worn, always in sight, and the way to put on another. */
export function WornPost({ onFailure }: { onFailure(cause: unknown): void }) {
  const texts = useTexts();
  const { t } = texts;
  const { account, enter } = useDoor();
  const session = useSession();
  const worn = postOf(session);
  if (worn === undefined) {
    return session.patients === undefined ? null : <span className="worn worn-lay">{t("post.lay")}</span>;
  }
  const name = (post: Post) => `${post.organizationName} · ${showDuties(texts, post)}`;
  if (session.posts.length === 1) return <span className="worn">{name(worn)}</span>;
  return (
    <span className="worn">
      <label className="read-out" htmlFor="post">
        {t("post.worn")}
      </label>
      <select
        id="post"
        value={worn.role}
        onChange={(event) => void account.choose(event.target.value, session.csrf).then(enter, onFailure)}
      >
        {session.posts.map((post) => (
          <option key={post.role} value={post.role}>
            {name(post)}
          </option>
        ))}
      </select>
    </span>
  );
}
