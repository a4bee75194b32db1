import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readConsoleSigns } from './console-signs.ts';
import { plainLine } from './plain-line.ts';

const read = (...lines: string[]) => readConsoleSigns(lines.map((text, at) => ({ text, atMs: at })));

test.each([
  ['[   34.5] Out of memory: Killed process 812 (perl) total-vm:1kB\r', 'outOfMemory'],
  ['Memory cgroup out of memory: Killed process 9 (node)', 'outOfMemory'],
  ['[    1.2] Kernel panic - not syncing: Attempted to kill init!', 'panic'],
  ['You are in emergency mode. After logging in, type "journalctl -xb"', 'emergency'],
  ['\u001b[0;1;39mhearth-error: no disk hearth-upper', 'initramfs'],
] as const)('%s is a sign', (text, sign) => {
  expect(read('hello', text, 'bye')[sign]?.atMs).toBe(1);
});

test.each([
  ['hearth-unit: hearth-agent.service LoadState=masked ActiveState=inactive', 'absent'],
  ['hearth-unit: hearth-agent.service LoadState=not-found ActiveState=inactive', 'absent'],
  ['hearth-unit: hearth-agent.service ended exit-code exited 1', 'crashed'],
  ['[   12.345678] tell-unit[91]: hearth-unit: hearth-agent.service ended signal killed KILL', 'crashed'],
  ['hearth-unit: hearth-agent.service ended success exited 0', 'stopped'],
  ['[   12.345678] hearth-agent[91]: {"msg":"agent started"}', 'started'],
] as const)('%s: the agent is %s', (text, state) => {
  expect(read('hearth-unit: hearth-agent.service ended exit-code exited 2', text).agent?.state).toBe(state);
});

test('other units, and words in the middle of a line, say nothing of the agent', () => {
  expect(read('hearth-unit: hearth-browser.service ended signal killed KILL').agent).toBeNull();
  expect(read('he said hearth-unit: hearth-agent.service ended exit-code').agent).toBeNull();
});

test('whatever a guest prints, lines stay short and plain', () => {
  const prefix = fc.constantFrom(
    '',
    'Kernel panic - not syncing',
    'hearth-error: ',
    'hearth-unit: hearth-agent.service ended ',
    '\u001b[31m',
  );
  const line = fc.tuple(prefix, fc.string({ unit: 'binary', maxLength: 600 })).map(([a, b]) => a + b);
  fc.assert(
    fc.property(fc.array(line, { maxLength: 30 }), (lines) => {
      const signs = read(...lines);
      const found = [
        signs.panic,
        signs.outOfMemory,
        signs.emergency,
        signs.initramfs,
        signs.agent?.line ?? null,
      ];
      for (const one of found) {
        if (one === null) continue;
        expect(one.text.length).toBeLessThanOrEqual(200);
        expect(one.text).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
        expect(plainLine(one.text)).toBe(one.text.trim());
      }
    }),
  );
});
