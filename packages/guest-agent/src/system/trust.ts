import { HearthError } from '@hearth/contract';
import { mkdir, readFile, rm, writeFile, rename, stat } from 'node:fs/promises';
import { X509Certificate } from 'node:crypto';
import { dirname, join } from 'node:path';

/** Makes everything in this VM trust further certificate authorities. */
export interface Trust {
  /**
   * From here on exactly these are trusted beside the system's own; costs nothing where there are none and were none.
   * Throws HearthError bad_request for what is no certificate.
   */
  set(certificates: readonly string[]): Promise<void>;
  /** For programs that don't read the system's bundle; the same object for good, empty where there are none. */
  readonly env: Readonly<Record<string, string>>;
}

const BUNDLE = '/etc/ssl/certs/ca-certificates.crt';
/** Ours alone: Node reads it beside its own list, and parses no hundred certificates anew for it. */
const EXTRA = '/etc/ssl/certs/hearth-extra.pem';
const POLICY = '/etc/chromium/policies/managed/hearth-ca.json';
const SOURCES = '/usr/local/share/ca-certificates';
/** What follows it in the bundle is ours. */
const MARK = '\n# Hearth: network.caCertificates\n';

/** @param root of the file system */
export function createTrust(root = '/'): Trust {
  const at = (path: string): string => join(root, path);
  const source = (index: number): string => at(`${SOURCES}/hearth-${index + 1}.crt`);
  const env: Record<string, string> = {};
  let sources = 0;

  return {
    env,
    set: async (certificates) => {
      const parsed = certificates.map(parse);
      // Its file is there where this VM, or the snapshot that it comes from, had some before.
      if (parsed.length === 0 && !(await exists(at(EXTRA)))) return;
      const pem = parsed.map(({ text }) => text);
      for (const [index, text] of pem.entries()) await write(source(index), text);
      for (let index = pem.length; index < sources || (await exists(source(index))); index++)
        await rm(source(index), { force: true });
      sources = pem.length;
      const bundle = await readFile(at(BUNDLE), 'utf8');
      const [own = ''] = bundle.split(MARK);
      await write(at(BUNDLE), pem.length === 0 ? own : `${own}${MARK}${pem.join('')}`);
      if (pem.length === 0) {
        await Promise.all([EXTRA, POLICY].map((path) => rm(at(path), { force: true })));
        for (const name of Object.keys(env)) Reflect.deleteProperty(env, name);
        return;
      }
      const policy = { CACertificates: parsed.map(({ der }) => der.toString('base64')) };
      await write(at(POLICY), JSON.stringify(policy));
      // Last: it says that there is something to take away.
      await write(at(EXTRA), pem.join(''));
      Object.assign(env, { NODE_EXTRA_CA_CERTS: EXTRA, SSL_CERT_FILE: BUNDLE, REQUESTS_CA_BUNDLE: BUNDLE });
    },
  };
}

function parse(pem: string, index: number): { text: string; der: Buffer } {
  try {
    const certificate = new X509Certificate(pem);
    return { text: certificate.toString(), der: certificate.raw };
  } catch (cause) {
    throw new HearthError('bad_request', `caCertificates.${index} is no certificate`, { cause });
  }
}

/** Whole or not at all: programs read it at any time. */
async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  await writeFile(`${path}.part`, text, { mode: 0o644 });
  await rename(`${path}.part`, path);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
