import { execEventSchema, readEvents, type ExecRequestInput, type Vm } from '@hearth/contract';
import type { HearthLab } from '@hearth/testing';

/** A shell's own measure, since a Node that has just started would take the processor from the tool: ms from the start to its first byte. */
const SCRIPT = `
started=$(date +%s%N)
printf %s "$BENCH_STDIN" | "$@" 2>/dev/null | {
  head -c 1 >/dev/null
  first=$(date +%s%N)
  cat >/dev/null
  echo $(((first - started) / 1000))
}
`;

/** The command of a run by bare exec in the guest. */
export async function bareFirstByteMs(
  lab: HearthLab,
  { id }: Vm,
  bare: { command: string[]; env: Record<string, string>; stdin: string },
): Promise<number> {
  const answer = await lab.fetch(`/api/vms/${id}/exec`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      command: ['sh', '-c', SCRIPT, 'bare', ...bare.command],
      env: { ...bare.env, BENCH_STDIN: bare.stdin },
      cwd: '/home/hearth/work',
    } satisfies ExecRequestInput),
  });
  if (answer.body === null) throw new Error('the command has no output');
  let stdout = '';
  for await (const event of readEvents(answer.body, execEventSchema)) {
    if (event.type === 'stdout') stdout += Buffer.from(event.dataBase64, 'base64').toString();
    if (event.type === 'error') throw new Error(event.problem.detail);
  }
  const ms = Number(stdout) / 1000;
  if (!(ms > 0)) throw new Error(`the bare command measured nothing: ${stdout}`);
  return ms;
}
