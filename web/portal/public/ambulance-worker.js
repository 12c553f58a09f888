// Lets the tablet in an ambulance begin without a line: the page comes from the network while that answers, and otherwise
// from what the page itself has put by. Nothing about a patient passes through here; that is kept in the page's database.
const KEPT = "qingshan.ambulance";
const PATIENCE = 4000;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (request.mode === "navigate") event.respondWith(page(request));
  else if (url.pathname.startsWith("/assets/") || url.pathname === "/mark.svg") event.respondWith(asset(request));
});

async function page(request) {
  const kept = await (await caches.open(KEPT)).match("/ambulance");
  if (kept === undefined) return fetch(request);
  const slow = new Promise((done) => setTimeout(() => done(kept), PATIENCE));
  return Promise.race([fetch(request).catch(() => kept), slow]);
}

async function asset(request) {
  return (await (await caches.open(KEPT)).match(request.url)) ?? fetch(request);
}
