/** A browser and its system, as people call them, out of what it calls itself. */
export function browserOf(agent: string): string | undefined {
  const browser = /(Edg|Firefox|MicroMessenger|Chrome|Safari)/.exec(agent)?.[1]?.replace("Edg", "Edge").replace("MicroMessenger", "WeChat");
  const system = /(Windows|Android|iPhone|iPad|Mac OS X|Linux)/.exec(agent)?.[1];
  return [browser, system].filter(Boolean).join(" · ") || undefined;
}
