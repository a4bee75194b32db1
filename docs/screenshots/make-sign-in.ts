import { join } from 'node:path';
import { openBrowser, signIn } from '../../e2e/browser.ts';
import { beginSignIn, pressAuthorize, untilAuthorizePage } from '../../e2e/signin/drive-sign-in.ts';
import { openSigninLab } from '../../e2e/signin/signin-lab.ts';

/**
 * Takes the pictures of a sign-in, a run and a terminal: `node docs/screenshots/make-sign-in.ts` as root, on a machine where
 * `./hearth test` has run. A real Hearth, real VMs, the real Claude Code against the project's stand-in, Debian's Chromium.
 */
const SLOW_MS = 240_000;
const SETTLE_MS = 3000;

await using site = await openSigninLab();
await using browser = await openBrowser({
  viewport: { width: 1280, height: 900 },
  colorScheme: 'light',
  reducedMotion: 'reduce',
});
const page = await signIn(browser.context, site.lab);
const shoot = async (name: string): Promise<void> => {
  await page.waitForTimeout(SETTLE_MS);
  await page.screenshot({ path: join(import.meta.dirname, `${name}.png`) });
  process.stdout.write(`${name}\n`);
};

await page.getByRole('link', { name: 'Connect', exact: true }).click();
await shoot('connect');
await page.getByRole('button', { name: 'Connect Claude Code' }).click();
await shoot('connect-methods');
await page.getByRole('button', { name: 'Close' }).click();
await beginSignIn(page, 'Claude Code');
await untilAuthorizePage(site.world, 'claude.com');
await page.waitForTimeout(3 * SETTLE_MS);
await shoot('journey');
await pressAuthorize(page, site.world, 'claude.com');
await page.getByRole('heading', { name: 'Connected', exact: true }).waitFor({ timeout: SLOW_MS });
await shoot('connected');

await page.getByRole('link', { name: 'Run a prompt' }).click();
await page.getByLabel('Prompt').fill('run: printf "# Notes\\n\\nThe first line.\\n" > notes.md; ls');
await page.getByRole('button', { name: 'Run', exact: true }).click();
await page.getByRole('heading', { name: 'Changed files' }).waitFor({ timeout: SLOW_MS });
await shoot('run');
await page.getByRole('link', { name: 'Runs', exact: true }).click();
await shoot('runs');
await page.getByRole('link', { name: 'Terminal', exact: true }).click();
await page.getByRole('button', { name: 'New shell' }).click();
const terminal = page.getByRole('textbox', { name: /^Terminal/ });
await terminal.waitFor({ timeout: SLOW_MS });
await terminal.focus();
await page.keyboard.type('claude --version; ls -l work', { delay: 30 });
await page.keyboard.press('Enter');
await page.locator('.xterm-rows', { hasText: 'notes.md' }).waitFor({ timeout: SLOW_MS });
await shoot('terminal');
await page.getByRole('button', { name: 'New Claude Code' }).click();
await page.waitForTimeout(10 * SETTLE_MS);
await shoot('terminal-claude');
await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' });
await page.goto(`${site.lab.url}/connect`);
await shoot('connect-dark');
await page.setViewportSize({ width: 360, height: 740 });
await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
await page.goto(`${site.lab.url}/runs`);
await shoot('phone-runs');
