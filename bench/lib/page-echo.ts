import { setTimeout as pause } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { connectedDesktop } from '../../e2e/desktop/screen.ts';
import type { Echo, EchoPlan } from './echo-plan.ts';

const FIRST_PICTURE_MS = 2000;

/**
 * Runs in the page. noVNC shows what it has by drawing it on its canvas: that is when the clock stops, if the pixels, read back
 * then, have changed. (Reading back waits for the browser's painter, which no reader of a screen does.)
 */
const MEASURE = `async ({ presses, restMs, timeoutMs, mostPixels }) => {
  const canvas = document.querySelector('.screen canvas');
  const context = canvas.getContext('2d');
  const { width: across, height: down } = canvas;
  const picture = new Uint32Array(context.getImageData(0, 0, across, down).data.buffer);
  let onChange = () => undefined;
  const draw = context.drawImage;
  context.drawImage = (...args) => {
    draw.apply(context, args);
    const drawnMs = performance.now();
    const [x, y, width, height] = args.slice(5);
    const pixels = new Uint32Array(context.getImageData(x, y, width, height).data.buffer);
    let changed = false;
    for (let line = 0; line < height; line += 1) {
      const row = pixels.subarray(line * width, (line + 1) * width);
      const at = (y + line) * across + x;
      changed ||= row.some((pixel, index) => picture[at + index] !== pixel);
      picture.set(row, at);
    }
    if (changed && width * height <= mostPixels) onChange(drawnMs);
  };
  const press = async (key, code) => {
    const seen = Promise.withResolvers();
    const timer = setTimeout(() => seen.reject(new Error('a key was not echoed')), timeoutMs);
    onChange = (drawnMs) => seen.resolve(drawnMs);
    const startedMs = performance.now();
    const event = { key, code, bubbles: true, cancelable: true };
    canvas.dispatchEvent(new KeyboardEvent('keydown', event));
    const seenMs = await seen.promise - startedMs;
    await new Promise(requestAnimationFrame);
    const frameMs = performance.now() - startedMs;
    clearTimeout(timer);
    onChange = () => undefined;
    canvas.dispatchEvent(new KeyboardEvent('keyup', event));
    await new Promise((resolve) => setTimeout(resolve, restMs * (1 + Math.random())));
    return { seenMs, frameMs };
  };
  const echoes = [];
  for (let count = 0; count < presses; count += 1) echoes.push(await press('x', 'KeyX'));
  await press('Enter', 'Enter');
  delete context.drawImage;
  return echoes;
}`;

/** Opens a desktop's page, measures in it, and leaves it. */
export async function pageEchoes(page: Page, url: string, plan: EchoPlan): Promise<Echo[]> {
  await page.goto(url);
  await connectedDesktop(page);
  await pause(FIRST_PICTURE_MS);
  const echoes = await page.evaluate(`(${MEASURE})(${JSON.stringify(plan)})`);
  await page.goto('about:blank');
  return echoes as Echo[];
}
