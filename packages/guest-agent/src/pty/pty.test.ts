import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { LoginUser } from '../exec/login-user.ts';
import { createAnsweringTerminal } from './answering-terminal.ts';
import { loadNativeModules } from './native-modules.ts';
import { startPty, type Pty, type PtyOptions } from './pty.ts';
import { processesOfSession } from './session.ts';

const modules = loadNativeModules(resolve(import.meta.dirname, '../../../../node_modules'));
const { uid, gid } = userInfo();
const user: LoginUser = {
  ...{ name: 'hearth', uid, gid, home: tmpdir(), shell: '/bin/sh' },
  path: '/usr/local/bin:/usr/bin:/bin',
};

let started: Pty[] = [];
afterEach(() => {
  for (const pty of started) pty.terminate();
  started = [];
});

async function start(command: string[], options: Partial<PtyOptions> = {}): Promise<Pty> {
  const pty = await startPty({
    ...{ modules, command, env: {}, cwd: tmpdir(), user, cols: 500, rows: 20 },
    ...options,
  });
  started.push(pty);
  return pty;
}

function collect(pty: Pty): () => string {
  let text = '';
  pty.onData((bytes) => (text += Buffer.from(bytes).toString()));
  return () => text;
}

describe('a PTY', () => {
  it('gives a real terminal of that size, a clean environment and the exit code', async () => {
    const pty = await start(['sh', '-c', 'tty; stty size; echo "$HOME $TERM $X ${VITEST-none}"; exit 3'], {
      env: { X: 'y' },
    });
    const said = collect(pty);
    expect(await pty.exited).toEqual({ exitCode: 3, signal: null });
    const lines = said().split('\r\n');
    expect(lines[0]).toMatch(/^\/dev\/pts\/\d+$/);
    expect(lines.slice(1, 3)).toEqual(['20 500', `${tmpdir()} xterm-256color y none`]);
  });

  it('takes what is typed, bytes too, and another size', async () => {
    const pty = await start(['sh', '-c', 'read -r a; stty size; echo "got $a"']);
    const said = collect(pty);
    pty.resize({ cols: 90, rows: 30 });
    pty.write(Buffer.from('wö'));
    pty.write('rd\r');
    await pty.exited;
    expect(said()).toContain('30 90\r\ngot wörd');
    pty.write('too late');
    pty.resize({ cols: 80, rows: 24 });
  });

  it('loses nothing of what was printed before somebody listens', async () => {
    const pty = await start(['sh', '-c', 'seq 1 300']);
    await new Promise((done) => setTimeout(done, 100));
    const said = collect(pty);
    await pty.exited;
    expect(said().trim().split('\r\n')).toHaveLength(300);
  });

  it('ends the whole session, what ignores its hangup and what runs in the background too', async () => {
    const pty = await start(
      [
        'bash',
        '-c',
        'set -m; trap "" HUP; (trap "" HUP; sleep 600) & sleep 600 & echo up; while :; do sleep 1; done',
      ],
      { graceMs: 200 },
    );
    const said = collect(pty);
    await expect.poll(said).toContain('up');
    expect((await processesOfSession(pty.pid)).length).toBeGreaterThan(2);
    pty.terminate();
    pty.terminate();
    expect((await pty.exited).exitCode).toBeGreaterThan(128);
    await expect.poll(() => processesOfSession(pty.pid)).toEqual([]);
  });

  it('names what keeps a command from starting', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hearth-pty-'));
    await writeFile(join(folder, 'plain'), '', { mode: 0o644 });
    await expect(start(['no-such-tool'])).rejects.toThrow('no-such-tool was not found');
    await expect(start([folder])).rejects.toThrow('was not found');
    await expect(start(['sh'], { cwd: '/nowhere' })).rejects.toThrow("/nowhere can't be entered");
    await expect(start(['sh'], { cwd: '/etc/passwd' })).rejects.toThrow('is not a folder');
    await expect(start([join(folder, 'plain')])).rejects.toThrow('may not be run here (EACCES)');
    await rm(folder, { recursive: true });
  });
});

describe('the terminal behind a PTY', () => {
  const behind = (pty: Pty, cols = 500) => {
    const terminal = createAnsweringTerminal({
      ...{ modules, cols, rows: 20, scrollbackLines: 100 },
      answer: (bytes) => pty.write(bytes),
    });
    const drawn: Promise<void>[] = [];
    pty.onData((bytes) => void drawn.push(terminal.write(bytes)));
    return { terminal, settled: async () => Promise.all(drawn) };
  };

  it.each([
    ['cursor position', '\\033[6n', '\x1b[1;1R', 6],
    ['device attributes', '\\033[c', '\x1b[?1;2c', 7],
    ['secondary attributes', '\\033[>c', '\x1b[>0;276;0c', 11],
    ['foreground', '\\033]10;?\\033\\\\', '\x1b]10;rgb:f7f7/efef/e2e2\x1b\\', 25],
    ['background', '\\033]11;?\\007', '\x1b]11;rgb:1d1d/2b2b/3a3a\x1b\\', 25],
  ])('F32: answers a program that asks for its %s', async (_what, question, answer, bytes) => {
    const pty = await start([
      ...['sh', '-c', `stty raw -echo; printf '${question}'; head -c ${bytes} | od -An -c -v; stty sane`],
    ]);
    const { terminal, settled } = behind(pty);
    await pty.exited;
    await settled();
    const answered = terminal.text().replace(/\s+/g, '').replaceAll('033', '\x1b');
    expect(answered).toBe(answer);
    terminal.dispose();
  });

  it('gives the text without escape sequences, long links whole', async () => {
    const link = `https://example.org/authorize?state=${'x'.repeat(300)}&end=1`;
    const pty = await start(['printf', `\\033[1mOpen:\\033[0m\\r\\n%s\\r\\nnext\\033[5CX\\r\\n`, link], {
      cols: 80,
    });
    const { terminal, settled } = behind(pty, 80);
    await pty.exited;
    await settled();
    expect(terminal.text().split('\n')).toEqual(['Open:', link, 'next     X']);
    expect(terminal.screen()).toContain('\x1b[1mOpen:');
    terminal.dispose();
  });
});
