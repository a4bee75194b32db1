import { join } from 'node:path';
import { signinLinkSchema, vmSchema, type Vm } from '@hearth/contract';
import { makeLab } from '@hearth/testing';
import type { Page } from 'playwright-core';
import { openBrowser } from '../../e2e/browser.ts';
import { connectedDesktop } from '../../e2e/desktop/screen.ts';

/**
 * Takes the pictures in this folder: `node docs/screenshots/make.ts` as root, on a machine where `./hearth test` has run.
 * A real Hearth, real VMs, Debian's Chromium.
 */
const BOOT_TIMEOUT_MS = 600_000;
const SETTLE_MS = 4000;

const lab = await makeLab();
try {
  await lab.up();
  await using browser = await openBrowser({
    viewport: { width: 1280, height: 800 },
    colorScheme: 'light',
    reducedMotion: 'reduce',
  });
  const page = await browser.context.newPage();
  const shoot = async (name: string, of: Page = page): Promise<void> => {
    await of.screenshot({ path: join(import.meta.dirname, `${name}.png`) });
    process.stdout.write(`${name}\n`);
  };
  const create = async (kind: string): Promise<Vm> =>
    vmSchema.parse(await lab.json(['vm', 'create', '--kind', kind], { timeoutMs: BOOT_TIMEOUT_MS }));

  const { url } = signinLinkSchema.parse(await lab.json(['link']));
  await page.goto(url);
  await page.getByRole('button', { name: 'Sign in' }).waitFor();
  await shoot('signin');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('link', { name: 'My VMs' }).click();
  await page.getByText('You have no VM yet').waitFor();
  await shoot('my-vms-empty');

  await page.getByRole('button', { name: 'New browser VM' }).click();
  await page.getByRole('heading', { name: 'Your desktop is starting' }).waitFor();
  await page.waitForTimeout(3 * SETTLE_MS);
  await shoot('desktop-starting');
  await connectedDesktop(page, BOOT_TIMEOUT_MS);
  await page.waitForTimeout(2 * SETTLE_MS);
  await shoot('desktop');
  const id = /vm-\w+/.exec(page.url())?.[0] ?? '';
  await page.getByRole('button', { name: /Show the desktop’s tools/ }).click({ force: true });
  for (const panel of ['Clipboard', 'Files', 'Viewers', 'Keys', 'Picture']) {
    await page.getByRole('button', { name: panel, exact: true }).click();
    await page.waitForTimeout(1000);
    await shoot(`desktop-${panel.toLowerCase()}`);
  }

  const second = await browser.context.newPage();
  await second.goto(`${lab.url}/vms/${id}/desktop`);
  await connectedDesktop(second);
  await second.waitForTimeout(SETTLE_MS);
  await shoot('desktop-watching', second);
  await second.close();

  await create('cli');
  await page.goto(`${lab.url}/vms`);
  await page.locator('.thumbnail img').first().waitFor();
  await page.waitForTimeout(SETTLE_MS);
  await shoot('my-vms');
  await page.emulateMedia({ colorScheme: 'dark' });
  await shoot('my-vms-dark');
  await page.goto(`${lab.url}/vms/${id}/console`);
  await page.waitForTimeout(SETTLE_MS);
  await page.evaluate('scrollTo(0, 0)');
  await shoot('console-dark');
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  await shoot('console');

  await page.setViewportSize({ width: 360, height: 740 });
  await page.goto(`${lab.url}/vms`);
  await page.locator('.thumbnail img').first().waitFor();
  await page.waitForTimeout(SETTLE_MS);
  await shoot('phone-my-vms');
  await page.goto(`${lab.url}/vms/${id}/desktop`);
  await connectedDesktop(page);
  await page.waitForTimeout(2 * SETTLE_MS);
  await shoot('phone-desktop');
} finally {
  await lab.dispose();
}
