import { defineConfig } from 'vitest/config';

/** Tier T0 and T1 that need neither root nor a VM; the other tiers are in e2e/ and run by `./hearth test`. */
export default defineConfig({
  test: {
    // Many tests wait for processes, sockets and timers: more of them than cores. (The other tiers run one file at a time.)
    maxWorkers: 3,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'image/**/*.test.ts'],
          exclude: ['**/*.system.test.ts'],
        },
      },
      // Real namespaces, dnsmasq, nftables and processes: needs root.
      {
        test: {
          name: 'system',
          include: ['packages/*/src/**/*.system.test.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      // Real VMs.
      {
        test: {
          name: 'vm',
          include: ['e2e/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 900_000,
        },
      },
    ],
  },
});
