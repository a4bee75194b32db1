import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { signinLinkSchema } from '@hearth/contract';
import type { HearthLab } from '@hearth/testing';
import { chromium, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface TestBrowser extends AsyncDisposable {
  context: BrowserContext;
}

/** Debian's Chromium with an empty profile, which goes with it. */
export async function openBrowser(options: BrowserContextOptions = {}): Promise<TestBrowser> {
  const profile = await mkdtemp(join(tmpdir(), 'hearth-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: '/usr/bin/chromium',
    args: FLAGS,
    ...options,
  });
  return {
    context,
    [Symbol.asyncDispose]: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

/** What a page must not do: ask other servers, complain on its console. */
export function watchPage(page: Page, ownUrl: string): { foreign: string[]; complaints: string[] } {
  const found = { foreign: [] as string[], complaints: [] as string[] };
  page.on('request', (request) => {
    if (!request.url().startsWith(ownUrl) && !/^(data|blob):/.test(request.url()))
      found.foreign.push(request.url());
  });
  page.on('console', (message) => {
    if (message.type() === 'error') found.complaints.push(message.text());
  });
  page.on('pageerror', (error) => found.complaints.push(error.message));
  return found;
}

/** A page of the browser, signed in by a one-time link as its user would be. */
export async function signIn(context: BrowserContext, lab: HearthLab): Promise<Page> {
  const { url } = signinLinkSchema.parse(await lab.json(['link']));
  const page = await context.newPage();
  await page.goto(url);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('link', { name: 'My VMs' }).click();
  await page.getByRole('heading', { name: 'My VMs' }).waitFor();
  return page;
}
