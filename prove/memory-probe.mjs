import { readdirSync } from 'node:fs';

/** `node --expose-gc --import memory-probe.mjs PROGRAM`, forked: at each message it says what this process holds after a collection. */
process.on('message', () => {
  globalThis.gc();
  globalThis.gc();
  const { rss, heapUsed } = process.memoryUsage();
  process.send({ rssBytes: rss, heapBytes: heapUsed, files: readdirSync('/proc/self/fd').length });
});
process.channel.unref();
