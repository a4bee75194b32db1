import type { Vm } from '@hearth/contract';
import type { HearthLab } from '@hearth/testing';

/** Run by the guest's own Node: from the spawn of the command to its first byte of output, in ms. */
const SCRIPT = `
const { spawn } = require('node:child_process');
const { command, env, stdin } = JSON.parse(process.argv[1]);
const startedMs = performance.now();
const child = spawn(command[0], command.slice(1), { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'ignore'] });
let firstMs;
child.stdin.end(stdin);
child.stdout.on('data', () => { firstMs ??= performance.now() - startedMs; });
child.on('close', (code) => {
  if (code !== 0) process.exit(code ?? 1);
  console.log(firstMs);
});
`;

export async function bareFirstByteMs(
  lab: HearthLab,
  { id }: Vm,
  bare: { command: string[]; env: Record<string, string>; stdin: string },
): Promise<number> {
  const { stdout, stderr, exitCode } = await lab.cli([
    ...['vm', 'exec', id, '--cwd', '/home/hearth/work', '--'],
    ...['node', '-e', SCRIPT, JSON.stringify(bare)],
  ]);
  const ms = Number(stdout.trim().split('\n').at(-1));
  if (exitCode !== 0 || !(ms > 0))
    throw new Error(`the bare command ended with ${exitCode}: ${stdout}${stderr}`);
  return ms;
}
