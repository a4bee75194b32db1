/** One entry of an archive. Everything belongs to root and has no time: the same input gives the same bytes. */
export type CpioEntry =
  | { kind: 'folder'; path: string }
  | { kind: 'file'; path: string; content: Buffer; executable: boolean }
  | { kind: 'link'; path: string; target: string };

const MODE = { folder: 0o040755, program: 0o100755, file: 0o100644, link: 0o120777 } as const;

/** Writes the "newc" format that the kernel unpacks as its initramfs. Folders must come before what is in them. */
export function packCpio(entries: readonly CpioEntry[]): Buffer {
  const parts: Buffer[] = [];
  entries.forEach((entry, index) => {
    if (entry.kind === 'folder') parts.push(...record(index + 1, entry.path, MODE.folder, Buffer.alloc(0)));
    else if (entry.kind === 'link')
      parts.push(...record(index + 1, entry.path, MODE.link, Buffer.from(entry.target)));
    else
      parts.push(
        ...record(index + 1, entry.path, entry.executable ? MODE.program : MODE.file, entry.content),
      );
  });
  parts.push(...record(0, 'TRAILER!!!', 0, Buffer.alloc(0)));
  return Buffer.concat(parts);
}

function record(inode: number, path: string, mode: number, content: Buffer): Buffer[] {
  const name = Buffer.from(`${path}\0`);
  // inode, mode, uid, gid, links, mtime, size, device major/minor, rdev major/minor, name size, checksum
  const numbers = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.from(`070701${numbers.map((value) => value.toString(16).padStart(8, '0')).join('')}`);
  return [header, name, padding(header.length + name.length), content, padding(content.length)];
}

const padding = (length: number): Buffer => Buffer.alloc((4 - (length % 4)) % 4);
