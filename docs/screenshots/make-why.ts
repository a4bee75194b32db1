import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { signinLinkSchema, vmSchema, type Vm } from '@hearth/contract';
import { makeLab, vmmPids, waitForGoldens } from '@hearth/testing';
import type { Page } from 'playwright-core';
import { openBrowser } from '../../e2e/browser.ts';

/**
 * Takes the pictures of `why` and of the host's page: `node docs/screenshots/make-why.ts` as root, on a machine where `./hearth test`
 * has run. A real Hearth, real VMs, real faults, Debian's Chromium.
 */
const BOOT_TIMEOUT_MS = 600_000;
const FOUND_TIMEOUT_MS = 120_000;
const runFile = promisify(execFile);

const lab = await makeLab({
  vms: { snapshots: { golden: true }, watchdog: { periodSeconds: 2, graceSeconds: 1 } },
});
try {
  await lab.up();
  await waitForGoldens(lab, ['cli']);
  await using browser = await openBrowser({
    viewport: { width: 1280, height: 800 },
    colorScheme: 'light',
    reducedMotion: 'reduce',
  });
  const page = await browser.context.newPage();
  const shoot = async (name: string, options: Parameters<Page['screenshot']>[0] = {}): Promise<void> => {
    await page.screenshot({ path: join(import.meta.dirname, `${name}.png`), ...options });
    process.stdout.write(`${name}\n`);
  };
  const create = async (): Promise<Vm> =>
    vmSchema.parse(await lab.json(['vm', 'create', '--kind', 'cli'], { timeoutMs: BOOT_TIMEOUT_MS }));
  const { url } = signinLinkSchema.parse(await lab.json(['link']));
  await page.goto(url);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('link', { name: 'My VMs' }).waitFor();

  const vm = await create();
  await page.goto(`${lab.url}/vms/${vm.id}/why`);
  await page.getByText('Every layer that could be looked at').first().waitFor();
  await shoot('why-healthy', { fullPage: true });

  const tap = `tap${(vm.ip ?? '')
    .split('.')
    .map((part) => Number(part).toString(16).padStart(2, '0'))
    .join('')}`;
  const takeOffBridge = () => runFile('ip', ['-n', lab.config.name, 'link', 'set', tap, 'nomaster']);
  await takeOffBridge();
  await page.getByRole('button', { name: 'Look again' }).click();
  await page.getByRole('heading', { name: 'Its TAP is not on the bridge' }).waitFor();
  await shoot('why', { fullPage: true });
  await page.emulateMedia({ colorScheme: 'dark' });
  await shoot('why-dark', { fullPage: true });
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  await page.setViewportSize({ width: 360, height: 740 });
  await shoot('phone-why', { fullPage: true });
  await page.setViewportSize({ width: 1280, height: 800 });

  const second = await create();
  for (const pid of await vmmPids(lab.config)) {
    const { stdout } = await runFile('cat', [`/proc/${pid}/cmdline`]);
    if (stdout.includes(second.id)) process.kill(pid, 'SIGSTOP');
  }
  await page.goto(`${lab.url}/host`);
  const unhealthy = page.getByText('The process of its virtual machine is stopped').first();
  await unhealthy.waitFor({ timeout: FOUND_TIMEOUT_MS });
  // Again: the page shows what the last comparison found.
  await takeOffBridge();
  await page.getByText('repaired').first().waitFor({ timeout: FOUND_TIMEOUT_MS });
  await shoot('host', { fullPage: true });
  await page.goto(`${lab.url}/vms`);
  await page.getByText('The process of its virtual machine is stopped').first().waitFor();
  await shoot('my-vms-unhealthy');
} finally {
  await lab.dispose();
}
