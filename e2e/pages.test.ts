import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeLab, type HearthLab } from '@hearth/testing';
import { chromium, type BrowserContext } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { signinLinkSchema } from '@hearth/contract';

let lab: HearthLab;
let profile: string;
let browser: BrowserContext;
beforeAll(async () => {
  lab = await makeLab();
  await lab.up();
  profile = await mkdtemp(join(tmpdir(), 'hearth-browser-'));
  browser = await chromium.launchPersistentContext(profile, {
    executablePath: '/usr/bin/chromium',
    args: [
      ...[
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
      ],
      ...['--disable-component-update', '--disable-sync'],
    ],
  });
});
afterAll(async () => {
  await browser.close();
  await lab.dispose();
  await rm(profile, { recursive: true, force: true });
});

test('the one-time link signs a browser in, once, and the API page works without anything from outside', async () => {
  const { url } = signinLinkSchema.parse(await lab.json(['link']));
  const page = await browser.newPage();
  const foreign: string[] = [];
  const complaints: string[] = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(lab.url) && !/^(data|blob):/.test(request.url()))
      foreign.push(request.url());
  });
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  // A preview of the link does not use it up.
  await page.goto(url);
  await page.goto(url);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(/\/api\/docs/);
  await page.getByText('Create a VM').first().waitFor();
  expect(foreign, 'requests to other servers').toEqual([]);
  expect(complaints, 'complaints of the browser').toEqual([]);

  // Signed in by a cookie that scripts can't read.
  expect(await page.evaluate(async () => (await fetch('/api/me')).status)).toBe(200);
  expect(await page.evaluate('document.cookie')).toBe('');
  const cookies = await browser.cookies();
  expect(cookies).toMatchObject([{ httpOnly: true, sameSite: 'Strict' }]);

  // Spent: the same link again is refused in words.
  await page.goto(url);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page
    .getByText(/used|expired|no longer/i)
    .first()
    .waitFor();
});
