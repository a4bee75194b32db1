import type { MachineTraces } from '@hearth/testing';

interface Findings {
  told?: string | null;
  lies: readonly string[];
  leaks: Partial<MachineTraces>;
}

/** What was wrong, a line each. */
export function printFailures({ told, lies, leaks }: Findings, say: (text: string) => void): void {
  for (const lie of lies) say(`    untrue: ${lie}`);
  for (const [name, count] of Object.entries(leaks))
    say(`    left over: ${count > 0 ? '+' : ''}${count} ${name}`);
  if (lies.length > 0 && told != null) say(`    the caller was told: ${told}`);
}

const titles: Record<keyof MachineTraces, string> = {
  vmms: 'VMMs',
  taps: 'TAPs',
  leases: 'leases',
  reservations: 'reservations',
  pins: 'firewall pins',
  addresses: 'addresses',
  records: 'records',
  folders: 'files of disks',
  sockets: 'sockets',
  cgroups: 'cgroups',
  dnsmasqs: 'dnsmasqs',
  processes: 'processes',
  links: 'links',
  runFiles: 'files in runDir',
  namespaces: 'namespaces',
};

/** `12 kills survived · 0 VMMs, 0 TAPs, … leaked`. */
export function printLeakSum(survived: number, results: readonly Findings[], before: MachineTraces): string {
  const sums = (Object.keys(titles) as (keyof MachineTraces)[])
    .filter((name) => name in before)
    .map((name) => `${results.reduce((sum, { leaks }) => sum + (leaks[name] ?? 0), 0)} ${titles[name]}`);
  const lies = results.reduce((sum, result) => sum + result.lies.length, 0);
  return `${survived} kills survived · ${sums.join(', ')} leaked · ${lies} untruths`;
}
