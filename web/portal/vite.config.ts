import react from "@vitejs/plugin-react";
import { defineConfig, type ProxyOptions } from "vite";

/** Where `npm run dev` sends what is not its own; a running `qingshan serve`. */
const record = process.env["QINGSHAN_ORIGIN"] ?? "http://127.0.0.1:8080";
/** Addresses that are a screen's where a browser opens them, and the record's where the portal asks. */
const data: ProxyOptions = {
  target: record,
  bypass: (request) => (request.headers.accept?.includes("text/html") ? request.url : undefined),
};

export default defineConfig({
  plugins: [react()],
  // The oldest browsers that ward computers still run.
  build: { target: ["chrome109", "firefox115", "safari16"], modulePreload: { polyfill: false }, manifest: true },
  server: {
    proxy: { "/fhir": record, "/auth": record, "/live": record, "/paging": record, "/protocols": data, "/runs": data },
  },
});
