import { checkWords, whyChecks, type Why, type WhyCheck, type WhyCheckName } from '@hearth/contract';

export interface Way {
  title: string;
  /** What this part of the way is. */
  about: string;
  checks: readonly WhyCheckName[];
}

const upTo = (from: WhyCheckName, to: WhyCheckName): readonly WhyCheckName[] =>
  whyChecks.slice(whyChecks.indexOf(from), whyChecks.indexOf(to) + 1);

/** Two ways lead into a VM: without the network, to the guest itself; and over the network, to what answers there. */
export const ways: readonly Way[] = [
  {
    title: 'Without the network',
    about: 'What is written down of it, what runs it, and what the guest itself says',
    checks: upTo('record', 'guest'),
  },
  {
    title: 'Over the network',
    about: 'What joins it to the host, and what answers in it',
    checks: upTo('tap', 'browser'),
  },
];

export interface DrawnCheck extends WhyCheck {
  /** first: the broken layer that is named; beyond: behind it on the walk, told for what it adds. */
  place: 'before' | 'first' | 'beyond';
}

/** The checks that were made, with where each stands to the first broken one. */
export function drawnChecks({ checks, finding }: Pick<Why, 'checks' | 'finding'>): DrawnCheck[] {
  const first = finding === null ? Infinity : checks.findIndex(({ name }) => name === finding.check);
  return checks.map((check, index) => ({
    ...check,
    place: index < first ? 'before' : index === first ? 'first' : 'beyond',
  }));
}

/** As a heading; dnsmasq is a program's name. */
export function checkTitle(name: WhyCheckName): string {
  const words = checkWords[name];
  return name === 'dnsmasq' ? words : words.charAt(0).toUpperCase() + words.slice(1);
}

/** For whom colours and marks say nothing. */
export const statusWords: Readonly<Record<WhyCheck['status'], string>> = {
  ok: 'right',
  broken: 'broken',
  unknown: 'could not be looked at',
  skipped: 'nothing to look at',
};

const triggerWords: Readonly<Record<Why['trigger'], string>> = {
  asked: 'Looked at',
  failed: 'Kept when it failed,',
  unhealthy: 'Kept when it stopped answering,',
};

/** `Looked at 24 Nov 2026, 10:00:03, in 412 ms` without the time, which stands in an element of its own. */
export const triggerInWords = ({ trigger }: Pick<Why, 'trigger'>): string => triggerWords[trigger];
