import { execFile } from 'node:child_process';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const openssl = async (args: string[]): Promise<void> => {
  await promisify(execFile)('openssl', args, { timeout: 30_000 });
};
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
/** Chromium takes no server certificate that lasts longer than 398 days. */
const LEAF_DAYS = '90';
const CA_DAYS = '3650';

export interface ServerCertificate {
  /** PEM; a server's certificate and key for all names. */
  cert: string;
  key: string;
  /** PEM; what clients must trust. */
  ca: string;
}

/**
 * A certificate for all `names`, signed by the authority in `folder` (`ca.pem`, `ca.key`), which is made where it is
 * missing, so that an image can be built to trust it before the server runs.
 * Node can't sign certificates: it takes openssl (Debian: package openssl).
 */
export async function serverCertificate(
  folder: string,
  names: readonly string[],
): Promise<ServerCertificate> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = (name: string): string => join(folder, name);
  await ensureAuthority(file('ca.pem'), file('ca.key'));
  const extensions = [
    `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}`,
    'extendedKeyUsage=serverAuth',
    'basicConstraints=CA:FALSE',
  ];
  await writeFile(file('server.ext'), `${extensions.join('\n')}\n`);
  const subject = ['-subj', '/CN=Hearth stand-in'];
  await openssl(['req', ...NEW_KEY, '-keyout', file('server.key'), '-out', file('server.csr'), ...subject]);
  await openssl([
    ...['x509', '-req', '-in', file('server.csr'), '-out', file('server.pem'), '-days', LEAF_DAYS],
    ...['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-extfile', file('server.ext')],
  ]);
  const [cert, key, ca] = await Promise.all(
    ['server.pem', 'server.key', 'ca.pem'].map((name) => readFile(file(name), 'utf8')),
  );
  return { cert: cert ?? '', key: key ?? '', ca: ca ?? '' };
}

async function ensureAuthority(certificate: string, key: string): Promise<void> {
  try {
    await Promise.all([access(certificate), access(key)]);
  } catch {
    await openssl([
      ...['req', '-x509', ...NEW_KEY, '-keyout', key, '-out', certificate, '-days', CA_DAYS],
      ...['-subj', '/CN=Hearth stand-in authority (tests only)'],
      ...['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
    ]);
  }
}
