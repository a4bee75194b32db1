import type { HostCapacity } from '@hearth/contract';
import type { ReactElement } from 'react';

const gib = (mib: number): string => `${(mib / 1024).toFixed(mib < 10_240 ? 1 : 0)} GiB`;

/** What is free on the host, and what starts. */
export function Capacity({ capacity }: { capacity: HostCapacity }): ReactElement {
  const { cpus, cpusFree, memMiB, memFreeMiB, diskFreeMiB, addressesFree, starts, accelerator } = capacity;
  const facts: readonly (readonly [string, string])[] = [
    ['CPUs that can be given', `${cpusFree} (the machine has ${cpus})`],
    ['Disk free', gib(diskFreeMiB)],
    ['Addresses free', String(addressesFree)],
    ['Starts under way', `${starts.running}, and ${starts.waiting} waiting`],
    [
      'Processors of VMs',
      accelerator === 'kvm' ? 'by KVM' : accelerator === 'tcg' ? 'emulated: slow' : 'unknown',
    ],
  ];
  const used = Math.max(0, memMiB - memFreeMiB);
  return (
    <>
      <div className="stack-tight">
        <div className="row">
          <span>Memory</span>
          <span className="push small">
            {gib(memFreeMiB)} of {gib(memMiB)} free
          </span>
        </div>
        <meter
          className="meter"
          min={0}
          max={memMiB}
          high={memMiB * 0.9}
          value={used}
          aria-label="Memory in use"
        >
          {gib(used)}
        </meter>
      </div>
      <dl className="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}
