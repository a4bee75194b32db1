import { signinLinkSchema } from '@hearth/contract';
import { makeLab, type HearthLab } from '@hearth/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openBrowser, watchPage, type TestBrowser } from './browser.ts';

let lab: HearthLab;
let browser: TestBrowser;
beforeAll(async () => {
  lab = await makeLab();
  await lab.up();
  browser = await openBrowser();
});
afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  await lab.dispose();
});

test('the one-time link signs a browser in, once, and the pages work without anything from outside', async () => {
  const { context } = browser;
  const { url } = signinLinkSchema.parse(await lab.json(['link']));
  const page = await context.newPage();
  const found = watchPage(page, lab.url);
  // A preview of the link does not use it up.
  await page.goto(url);
  await page.goto(url);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'My VMs' }).waitFor();
  await page.getByText('You have no VM yet').waitFor();
  await page.goto(`${lab.url}/api/docs`);
  await page.getByText('Create a VM').first().waitFor();
  expect(found).toEqual({ foreign: [], complaints: [] });

  // Signed in by a cookie that scripts can't read.
  expect(await page.evaluate(async () => (await fetch('/api/me')).status)).toBe(200);
  expect(await page.evaluate('document.cookie')).toBe('');
  expect(await context.cookies()).toMatchObject([{ httpOnly: true, sameSite: 'Strict' }]);

  // Spent: the same link again is refused in words.
  await page.goto(url);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('This link is spent').waitFor();

  // A token does it as well, and signing out ends it.
  await page.getByLabel('Your token').fill('hth_wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('This token doesn’t sign you in').waitFor();
  await page.getByLabel('Your token').fill(await lab.adminToken());
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'My VMs' }).waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Your token').waitFor();
  expect(await page.evaluate(async () => (await fetch('/api/me')).status)).toBe(401);
});

test('pages at 360 px: nothing reaches beyond the window', async () => {
  const page = await browser.context.newPage();
  await page.setViewportSize({ width: 360, height: 640 });
  await page.goto(`${lab.url}/signin`);
  await page.getByLabel('Your token').fill(await lab.adminToken());
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'My VMs' }).waitFor();
  for (const path of ['/', '/vms/vm-000000000000', '/vms/vm-000000000000/desktop', '/nothing']) {
    await page.goto(`${lab.url}${path}`);
    await page.getByRole('heading').first().waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth'), path).toBeLessThanOrEqual(360);
  }
  await page.close();
});
