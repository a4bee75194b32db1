import { setTimeout as pause } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { connectedDesktop } from '../desktop/screen.ts';
import type { StandInWorld } from './stand-in-world.ts';

/** An emulated guest starts a tool in seconds, or in half a minute. */
const SLOW_MS = 240_000;

/** From the Connect page to the journey whose desktop is shown. */
export async function beginSignIn(page: Page, title: string): Promise<void> {
  await page.getByRole('button', { name: `Connect ${title}` }).click();
  await page.getByRole('radio', { name: /^Sign in/ }).check();
  await page.getByRole('button', { name: 'Continue' }).click();
  await page
    .getByRole('heading', { name: `Sign in to ${title} on the desktop` })
    .waitFor({ timeout: SLOW_MS });
  await connectedDesktop(page);
}

/** Waits until the tool's link is open on the desktop: it hands it there by itself. */
export async function untilAuthorizePage(world: StandInWorld, host: string): Promise<void> {
  await until('the page on the desktop', 1000, () => wasAsked(world, host, 'GET'));
}

/** Presses the one button there, which has the focus, as the person would: through the page. */
export async function pressAuthorize(page: Page, world: StandInWorld, host: string): Promise<void> {
  await until('the button on the desktop', 5000, async () => {
    await page.locator('.screen canvas').focus();
    await page.keyboard.press('Enter');
    return wasAsked(world, host, 'POST');
  });
}

async function until(what: string, intervalMs: number, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + SLOW_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited ${SLOW_MS} ms for ${what}`);
    await pause(intervalMs);
  }
}

async function wasAsked(world: StandInWorld, host: string, method: string): Promise<boolean> {
  return (await world.requests()).some(
    (request) =>
      request.host === host && request.method === method && request.path.endsWith('/oauth/authorize'),
  );
}
