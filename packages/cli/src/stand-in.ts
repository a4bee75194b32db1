import { readFile } from 'node:fs/promises';
import { fileWrittenSchema, HearthError, type VmId } from '@hearth/contract';
import type { Api } from './api/client.ts';
import { withApi, type CommonOptions } from './context.ts';
import { run } from './exec/run.ts';
import { ownCliVm } from './vm/own-vm.ts';
import { standInBundle } from './setup/bundles.ts';
import { sourceBundleStep } from './setup/source-bundle.ts';
import { runRemoteCommand } from './vm/remote-command.ts';

export interface StandInOptions extends CommonOptions {
  vm?: string;
  reply?: string;
  delayMs?: number;
  expectKey?: string;
  port: number;
  stop?: boolean;
}

/** Places in the VM. */
const PROGRAM = '/tmp/hearth-stand-in.mjs';
const PID_FILE = '/tmp/hearth-stand-in.pid';
const LOG_FILE = '/tmp/hearth-stand-in.log';
const LISTEN_TIMEOUT_SECONDS = 60;

const STOP_SCRIPT = `[ -f ${PID_FILE} ] && kill "$(cat ${PID_FILE})" 2>/dev/null; found=$?; rm -f ${PID_FILE}; exit $found`;
/** The arguments are node's; a session of its own outlives this command. */
const START_SCRIPT = `: >${LOG_FILE}; setsid --fork sh -c 'echo $$ >${PID_FILE}; exec node "$@" >>${LOG_FILE} 2>&1 </dev/null' sh "$@"
for try in $(seq ${LISTEN_TIMEOUT_SECONDS * 5}); do
  grep -q listening ${LOG_FILE} && exit 0
  sleep 0.2
  [ -f ${PID_FILE} ] && ! kill -0 "$(cat ${PID_FILE})" 2>/dev/null && break
done
cat ${LOG_FILE} >&2
exit 1`;

export async function standIn(options: StandInOptions): Promise<void> {
  await withApi(options, async (api, { out, signal }) => {
    const vm = await ownCliVm(api, { id: options.vm, signal, note: out.note });
    const { exitCode } = await shell(api, vm.id, STOP_SCRIPT, [], signal);
    if (options.stop === true) {
      const wasRunning = exitCode === 0;
      if (out.json) out.value({ vm: vm.id, stopped: wasRunning });
      else out.line(wasRunning ? `the stand-in in ${vm.id} was stopped` : `no stand-in ran in ${vm.id}`);
      return;
    }
    await upload(api, vm.id, signal);
    const args = [
      PROGRAM,
      '--port',
      String(options.port),
      ...(options.reply === undefined ? [] : ['--reply', options.reply]),
      ...(options.delayMs === undefined ? [] : ['--delay-ms', String(options.delayMs)]),
      ...(options.expectKey === undefined ? [] : ['--expect-key', options.expectKey]),
    ];
    const started = await shell(api, vm.id, START_SCRIPT, args, signal);
    if (started.exitCode !== 0)
      throw new HearthError(
        'exec_failed',
        `the stand-in did not start in ${vm.id}: ${started.stderr.trim().slice(-500)}`,
        {
          vmId: vm.id,
          hint: `Its log is ${LOG_FILE} in the VM; another --port may help.`,
        },
      );
    const baseUrl = `http://127.0.0.1:${options.port}`;
    if (out.json) {
      out.value({ vm: vm.id, baseUrl });
      return;
    }
    out.line(`the stand-in listens in ${vm.id}; any API key will do:`);
    out.line(
      `  echo any-key >/tmp/key; hearth run claude_code "hello" --vm ${vm.id} --base-url ${baseUrl} --api-key-file /tmp/key`,
    );
    out.line(`  stop it: hearth stand-in --vm ${vm.id} --stop`);
  });
}

async function upload(api: Api, vmId: VmId, signal: AbortSignal): Promise<void> {
  const bundle = sourceBundleStep(run, standInBundle, signal);
  if ((await bundle.isDone()) === null) await bundle.run({ stage: () => undefined, note: () => undefined });
  await api.call('PUT', fileWrittenSchema, `/api/vms/${vmId}/files`, {
    query: { path: PROGRAM, mode: '644', user: 'hearth' },
    body: await readFile(standInBundle.output),
    signal,
  });
}

async function shell(
  api: Api,
  vmId: VmId,
  script: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<{ exitCode: number; stderr: string }> {
  let stderr = '';
  const { exitCode } = await runRemoteCommand(
    api,
    vmId,
    {
      command: ['sh', '-c', script, 'sh', ...args],
      user: 'hearth',
      timeoutMs: (LISTEN_TIMEOUT_SECONDS + 30) * 1000,
    },
    {
      signal,
      onStdout: () => undefined,
      onStderr: (bytes) => {
        stderr += Buffer.from(bytes).toString();
      },
    },
  );
  return { exitCode, stderr };
}
