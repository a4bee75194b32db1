import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { HearthError } from '@hearth/contract';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The certificates in the files of `network.caCertificates`, PEM, one each. Throws config_invalid naming the file that is none. */
export async function readCaCertificates(files: readonly string[]): Promise<string[]> {
  const all = await Promise.all(
    files.map(async (file, index) => {
      const refuse = (why: string, cause?: unknown): HearthError =>
        new HearthError('config_invalid', `network.caCertificates.${index}: ${file} ${why}`, { cause });
      let text: string;
      try {
        text = await readFile(file, 'utf8');
      } catch (cause) {
        throw refuse('can’t be read', cause);
      }
      const found = text.match(CERTIFICATE) ?? [];
      if (found.length === 0) throw refuse('holds no certificate in PEM form');
      for (const pem of found) {
        let certificate: X509Certificate;
        try {
          certificate = new X509Certificate(pem);
        } catch (cause) {
          throw refuse('holds a certificate that is damaged', cause);
        }
        if (!certificate.ca) throw refuse(`holds ${certificate.subject}, which is no certificate authority`);
      }
      return found;
    }),
  );
  return all.flat();
}
