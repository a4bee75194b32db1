import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { asHearthError, HearthError } from '@hearth/contract';
import { connect, connectHost } from '../api/connection.ts';
import { loadConfig } from '../config.ts';
import { makeContext, type CommonOptions } from '../context.ts';
import { run, runOrThrow } from '../exec/run.ts';
import { readStatus } from '../setup/status.ts';
import { formatBytes } from '../terminal/duration.ts';
import { plainLine } from '../terminal/plain-text.ts';
import { generalParts, vmParts, type BundlePart, type PartsDeps } from './bundle-parts.ts';
import { knownSecrets } from './known-secrets.ts';
import { makeRedact, type Redact } from './redact.ts';

const TAR_TIMEOUT_MS = 60_000;
const VERSION = '0.1.0';

export interface SupportOptions extends CommonOptions {
  out?: string;
}

/** Gathers what there is; what is missing is named in the bundle. Fails only where the bundle itself can't be written. */
export async function makeSupportBundle(options: SupportOptions): Promise<void> {
  const context = makeContext(options);
  const { environment, out, signal } = context;
  const config = await loadConfig(options.config, environment);
  const stamp = new Date().toISOString().replaceAll(/[:.]/g, '-').slice(0, 19);
  const name = `hearth-support-${config.name}-${stamp}`;
  const target = resolve(options.out ?? `${name}.tar.gz`);
  await claimFile(target);

  const redact = makeRedact(await knownSecrets(config, environment));
  const folder = await mkdtemp(join(tmpdir(), 'hearth-support-'));
  const controller = await connect(options, environment).catch(() => null);
  const host = connectHost(config);
  try {
    const status = () => readStatus(options, context, config);
    const deps: PartsDeps = { config, status, controller, host, run, version: VERSION, signal };
    const root = join(folder, name);
    await mkdir(root);
    const missing = await gatherInto(root, deps, redact);
    await redactAgain(root, redact);
    await runOrThrow(run, 'tar', ['-C', folder, '-czf', target, name], { timeoutMs: TAR_TIMEOUT_MS, signal });
    const { size } = await stat(target);
    if (out.json) {
      out.value({ file: target, bytes: size, missing });
      return;
    }
    out.line(`${target}  ${formatBytes(size)}`);
    for (const line of missing) out.note(`missing: ${plainLine(line)}`);
    out.note('Secrets are taken out by their values and looks; look through it before you hand it on.');
  } catch (error) {
    await rm(target, { force: true });
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
    await controller?.close();
    await host.close();
  }
}

/** The new file, which nobody else may read. Throws bad_request where it can't be made. */
async function claimFile(path: string): Promise<void> {
  try {
    await using file = await open(path, 'wx', 0o600);
    await file.sync();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new HearthError('bad_request', code === 'EEXIST' ? `${path} exists` : message, {
      cause,
      hint: 'Name a new file in a folder that is there, with --out.',
    });
  }
}

/** Returns what could not be had, with the reason. */
async function gatherInto(root: string, deps: PartsDeps, redact: Redact): Promise<string[]> {
  const missing: string[] = [];
  const write = async (name: string, text: string): Promise<void> => {
    const path = join(root, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, redact(text), { mode: 0o600 });
  };
  const take = async ({ name, gather }: BundlePart): Promise<void> => {
    try {
      await write(name, await gather());
    } catch (error) {
      if (deps.signal.aborted) throw error;
      missing.push(redact(`${name}: ${asHearthError(error).detail}`));
    }
  };
  // One by one: a machine in trouble is not given more of it.
  for (const part of generalParts(deps)) await take(part);
  try {
    for (const part of await vmParts(deps)) await take(part);
  } catch (error) {
    if (deps.signal.aborted) throw error;
    missing.push(redact(`vms: ${asHearthError(error).detail}`));
  }
  if (missing.length > 0) await write('missing.txt', `${missing.join('\n')}\n`);
  return missing;
}

/** The last pass: over every file as it will be packed, names included. */
async function redactAgain(root: string, redact: Redact): Promise<void> {
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (redact(entry.name) !== entry.name)
      throw new HearthError(
        'internal',
        `a file of the bundle would be named after a secret in ${basename(root)}`,
      );
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const text = await readFile(path, 'utf8');
    const clean = redact(text);
    if (clean !== text) await writeFile(path, clean);
  }
}
