import type { Page } from 'playwright-core';
import type { Picture } from './picture.ts';

const CANVAS = '.screen canvas';

/** Waits until the page shows a desktop and has a picture of it. */
export async function connectedDesktop(page: Page, timeoutMs = 60_000): Promise<void> {
  await page.locator('.screen:not(.waiting)').waitFor({ timeout: timeoutMs });
  await page.locator(CANVAS).waitFor({ timeout: timeoutMs });
  await page.bringToFront();
  await page.locator(CANVAS).focus();
}

/** What the page's canvas holds, in the guest's own resolution. */
export async function screenOf(page: Page): Promise<Picture> {
  const { width, height, base64 } = await page.locator(CANVAS).evaluate((element) => {
    const canvas = element as unknown as {
      width: number;
      height: number;
      getContext(kind: '2d'): {
        getImageData(x: number, y: number, w: number, h: number): { data: Uint8ClampedArray };
      };
    };
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let text = '';
    for (let at = 0; at < data.length; at += 0x8000)
      text += String.fromCharCode(...data.subarray(at, at + 0x8000));
    return { width: canvas.width, height: canvas.height, base64: btoa(text) };
  });
  return { width, height, rgba: Buffer.from(base64, 'base64') };
}
