import { defineConfig } from "vitest/config";

export default defineConfig({
  // The bounds only end a run that hangs; every step waits for what it waits for.
  test: { testTimeout: 600_000, hookTimeout: 600_000, fileParallelism: false },
});
