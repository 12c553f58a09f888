// Shows the pages that this browser is sent, also when no screen is open, and leads to what each is about. Nothing says
// who the patient is: that is read after signing in.
const ANSWERS = "qingshan.answers";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => {
  let page;
  try {
    page = event.data.json();
  } catch {
    // A message that cannot be read is still a call to look.
    page = { title: "Qingshan", url: "/board", tag: "unread" };
  }
  const actions = page.run && page.over !== true ? [{ action: "answer", title: page.answer }] : [];
  const shown = {
    body: page.body ?? "",
    tag: page.tag,
    renotify: true,
    requireInteraction: page.over !== true,
    icon: "/mark.svg",
    vibrate: [400, 200, 400],
    actions,
    data: { url: page.url, run: page.run },
  };
  event.waitUntil(self.registration.showNotification(page.title, shown));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data ?? {}, event.action === "answer"));
});

async function open({ url, run }, answers) {
  const target = new URL(url ?? "/board", location.origin);
  if (target.origin !== location.origin) return;
  // The page that opens answers by itself when it finds this here, where no other site can put anything.
  if (answers && run) await (await caches.open(ANSWERS)).put(`/answers/${run}`, new Response(String(Date.now())));
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  for (const one of windows) {
    if (new URL(one.url).pathname === target.pathname) {
      // The answer is sent though the browser may keep the window behind others.
      one.postMessage({ answer: run });
      await one.focus();
      return;
    }
  }
  await self.clients.openWindow(target.href);
}
