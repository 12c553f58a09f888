import { defineConfig } from "vitest/config";

export default defineConfig({
  // Measured by `cargo xtask bench board`, never among the tests.
  test: { include: ["bench/*.bench.ts"], testTimeout: 3_600_000, hookTimeout: 3_600_000, fileParallelism: false },
});
