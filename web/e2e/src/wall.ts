import type { Page } from "playwright-core";

/** The least type on a wall, and of what says that something is wrong, in pixels of a Full HD screen read from four metres. */
const LEAST = 22;
const LEAST_WRONG = 28;
/** The least side of the sign that says how grave a row is. */
const SIGN = 56;

/** What of a board on a wall cannot be read from four metres, in sentences; nothing when all of it can. */
export function unreadable(page: Page): Promise<string[]> {
  return page.evaluate(
    ([LEAST, LEAST_WRONG, SIGN]) => {
      const found: string[] = [];
      const wrong = ".trouble, .board-stale, .board-lost, .board-unheard, .clock-breach .clock-length, .clock-warn .clock-length";
      const name = (element: Element) => `${element.className}: ${(element.textContent ?? "").trim().slice(0, 30)}`;
      const isSeen = (element: Element) => element.checkVisibility() && element.getClientRects().length > 0;
      const size = (element: Element) => Number.parseFloat(getComputedStyle(element).fontSize);
      const ownText = (element: Element) => [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && (node.textContent ?? "").trim() !== "");
      for (const element of document.querySelectorAll(".board-row *")) {
        if (ownText(element) && isSeen(element) && size(element) < LEAST) found.push(`too small: ${name(element)} ${size(element)}`);
      }
      for (const element of document.querySelectorAll(wrong)) {
        if (element.closest(".board") === null || !isSeen(element)) continue;
        if (size(element) < LEAST_WRONG) found.push(`too small for what it says: ${name(element)} ${size(element)}`);
        const box = element.getBoundingClientRect();
        const row = element.closest(".board-row")?.getBoundingClientRect();
        if (row !== undefined && (box.bottom > row.bottom + 1 || box.right > row.right + 1)) found.push(`cut off: ${name(element)}`);
        if (box.right > innerWidth || box.bottom > innerHeight) found.push(`beyond the screen: ${name(element)}`);
      }
      for (const row of document.querySelectorAll(".board-row:is(.is-breach, .is-warn) .board-link")) {
        const sign = getComputedStyle(row, "::before");
        if (Number.parseFloat(sign.width) < SIGN || Number.parseFloat(sign.height) < SIGN) found.push(`no sign: ${name(row)}`);
      }
      // What is wrong must not cover what is there, nor the other way round.
      for (const mark of document.querySelectorAll(".board-row :is(.trouble, .board-stale)")) {
        const box = mark.getBoundingClientRect();
        for (const other of mark.closest(".board-link")?.querySelectorAll(":is(.board-who, .board-where, .board-clocks, .board-next, .board-team) *") ?? []) {
          if (!ownText(other) || !isSeen(other)) continue;
          const range = document.createRange();
          range.selectNodeContents(other);
          const text = range.getBoundingClientRect();
          if (text.left < box.right - 2 && text.right > box.left + 2 && text.top < box.bottom - 4 && text.bottom > box.top + 4) found.push(`covered: ${name(other)} by ${name(mark)}`);
        }
      }
      return found;
    },
    [LEAST, LEAST_WRONG, SIGN] as const,
  );
}
