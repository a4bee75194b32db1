import type { JSHandle, Page } from 'playwright-core';

/** Calls a function, given as text since it runs in the page, with arguments that JSON can hold. */
const callInPage = (page: Page, source: string, ...args: unknown[]): Promise<unknown> =>
  page.evaluate(`(${source})(...${JSON.stringify(args)})`);

/** Opens a desktop's WebSocket without noVNC, goes through the handshake, and sends these bytes, whatever they are. */
export async function sendRaw(page: Page, path: string, messages: readonly number[][]): Promise<void> {
  await callInPage(
    page,
    `async (path, messages) => {
      const socket = new WebSocket(new URL(path, location.href.replace(/^http/, 'ws')));
      socket.binaryType = 'arraybuffer';
      let seen = 0;
      await new Promise((resolve, reject) => {
        socket.onclose = ({ code, reason }) => reject(new Error(code + ' ' + reason));
        socket.onmessage = ({ data }) => {
          seen += data.byteLength;
          // Version, security types, result and ServerInit, answered as they come.
          if (seen === 12) socket.send(new TextEncoder().encode('RFB 003.008\\n'));
          else if (seen === 14 || seen === 18) socket.send(new Uint8Array([1]));
          else if (seen >= 18 + 24) resolve();
        };
      });
      for (const message of messages) socket.send(new Uint8Array(message));
    }`,
    path,
    messages,
  );
}

/** Uses a ticket up. */
export async function spend(page: Page, path: string): Promise<void> {
  await callInPage(
    page,
    `(path) => new Promise((resolve) => {
      const socket = new WebSocket(new URL(path, location.href.replace(/^http/, 'ws')));
      socket.onmessage = () => { socket.close(); resolve(); };
    })`,
    path,
  );
}

/** What a browser hands to a page when a file is dropped on it. */
export async function fileToDrop(page: Page, name: string, bytes: Buffer): Promise<JSHandle> {
  const args = JSON.stringify([bytes.toString('base64'), name]);
  return page.evaluateHandle(`(([base64, name]) => {
    const data = new DataTransfer();
    data.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name));
    return data;
  })(${args})`);
}
