import { mkdir, mkdtemp, rm, symlink, writeFile, copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A violation of a boundary, and the rule that must catch it. */
export interface Planted {
  rule: string;
  /** Path to content. */
  files: Readonly<Record<string, string>>;
}

const contractImportsHost = {
  'packages/contract/src/planted.ts':
    "import { planted } from '../../host/src/planted.ts';\nexport const own = planted;\n",
  'packages/host/src/planted.ts': 'export const planted = 1;\n',
};

export const plantedViolations: readonly Planted[] = [
  { rule: 'contract-imports-only', files: contractImportsHost },
  ...['rfb', 'controller', 'guest-agent', 'cli', 'web'].map((name) => ({
    rule: `${name}-imports-only`,
    files: {
      [`packages/${name}/src/planted.ts`]:
        "import { planted } from '../../host/src/planted.ts';\nexport const own = planted;\n",
      'packages/host/src/planted.ts': 'export const planted = 1;\n',
    },
  })),
  {
    rule: 'host-imports-only',
    files: {
      'packages/host/src/planted.ts':
        "import { planted } from '../../controller/src/planted.ts';\nexport const own = planted;\n",
      'packages/controller/src/planted.ts': 'export const planted = 1;\n',
    },
  },
  {
    rule: 'domain-is-pure',
    files: {
      'packages/controller/src/domain/planted.ts':
        "import { readFileSync } from 'node:fs';\nexport const own = readFileSync;\n",
    },
  },
  {
    rule: 'routes-are-thin',
    files: {
      'packages/controller/src/http/planted.ts':
        "import { planted } from '../store/planted.ts';\nexport const own = planted;\n",
      'packages/controller/src/store/planted.ts': 'export const planted = 1;\n',
    },
  },
  ...['contract', 'rfb', 'controller', 'host', 'guest-agent', 'cli', 'web'].map((name) => ({
    rule: 'child-processes-in-one-place',
    files: {
      [`packages/${name}/src/planted.ts`]:
        "import { spawn } from 'node:child_process';\nexport const own = spawn;\n",
    },
  })),
  {
    rule: 'no-cycles',
    files: {
      'packages/host/src/a.ts': "import { b } from './b.ts';\nexport const a = (): unknown => b;\n",
      'packages/host/src/b.ts': "import { a } from './a.ts';\nexport const b = (): unknown => a;\n",
    },
  },
  {
    rule: 'resolvable',
    files: {
      'packages/host/src/planted.ts': "import { gone } from './gone.ts';\nexport const own = gone;\n",
    },
  },
];

/** Makes a tree of its own that holds the violation and nothing else; the real tree is never touched. */
export async function plant(
  repository: string,
  { files }: Planted,
): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'hearth-planted-'));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  // The root's tsconfig leaves the web pages out, and must find at least one file.
  await writeFile(join(folder, 'anchor.ts'), 'export {};\n');
  for (const file of ['.dependency-cruiser.cjs', 'tsconfig.json', 'package.json'])
    await copyFile(join(repository, file), join(folder, file));
  await symlink(join(repository, 'node_modules'), join(folder, 'node_modules'));
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}
