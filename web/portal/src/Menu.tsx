import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import { places, screensOf } from "./duties";
import { fitting, type Widths } from "./fitting";
import { useTexts } from "./language";
import { useSession } from "./session";
import { useMatch, useSettings } from "./settings";

/** Where the menu lies at the lower edge, beneath the thumb. */
const isHeld = matchMedia("(max-width: 720px)");

/** The screens of whoever is signed in, in one line. What finds no room in it opens with the last of its buttons. */
export function Menu() {
  const { t, locale } = useTexts();
  const { isElder } = useSettings();
  const [place] = useLocation();
  const isLow = useMatch(isHeld);
  const screens = screensOf(useSession());
  const line = useRef<HTMLElement>(null);
  const more = useRef<HTMLButtonElement>(null);
  // Words are as wide as they are in one language and one size; with another they are measured anew.
  const face = [locale, isElder, isLow, ...screens].join(" ");
  const [widths, setWidths] = useState<Widths & { face: string }>();
  const [room, setRoom] = useState(0);
  const [isOpen, setIsOpen] = useState(false);
  const known = widths?.face === face ? widths : undefined;

  useLayoutEffect(() => {
    const box = line.current;
    if (box === null || known !== undefined) return;
    const width = (element: Element) => element.getBoundingClientRect().width;
    const links = [...box.querySelectorAll(":scope > a")].map(width);
    setWidths({ face, screens: links, more: more.current === null ? 0 : width(more.current), gap: Number.parseFloat(getComputedStyle(box).columnGap) || 0 });
    setRoom(box.clientWidth);
  }, [face, known]);
  useEffect(() => {
    const box = line.current;
    if (box === null) return;
    const observer = new ResizeObserver(() => setRoom(box.clientWidth));
    observer.observe(box);
    return () => observer.disconnect();
  }, []);
  useEffect(() => setIsOpen(false), [place]);
  useEffect(() => {
    if (!isOpen) return;
    const leave = ({ target }: Event) => {
      if (target instanceof Node && line.current?.contains(target) !== true) setIsOpen(false);
    };
    const close = ({ key }: KeyboardEvent) => {
      if (key !== "Escape") return;
      setIsOpen(false);
      more.current?.focus();
    };
    addEventListener("pointerdown", leave);
    addEventListener("focusin", leave);
    addEventListener("keydown", close);
    return () => {
      removeEventListener("pointerdown", leave);
      removeEventListener("focusin", leave);
      removeEventListener("keydown", close);
    };
  }, [isOpen]);

  const count = known === undefined ? screens.length : fitting(known, room);
  const link = (screen: (typeof screens)[number]) => (
    <Link key={screen} href={places[screen]} aria-current={place === places[screen] ? "page" : undefined} onClick={() => setIsOpen(false)}>
      {t(`nav.${screen}`)}
    </Link>
  );
  const rest = screens.slice(count);
  const isRest = rest.some((screen) => place === places[screen]);
  return (
    <nav ref={line} className={known === undefined ? "menu is-measured" : "menu"} aria-label={t("nav.label")}>
      {screens.slice(0, count).map(link)}
      {(known === undefined || rest.length > 0) && (
        <button ref={more} type="button" className={isRest ? "menu-more is-here" : "menu-more"} aria-expanded={isOpen} aria-controls="menu-rest" onClick={() => setIsOpen(!isOpen)}>
          {t("nav.more")}
          <span aria-hidden> {isOpen !== isLow ? "▴" : "▾"}</span>
        </button>
      )}
      <div id="menu-rest" className="menu-rest" hidden={!isOpen || rest.length === 0}>
        {isOpen && rest.map(link)}
      </div>
    </nav>
  );
}
