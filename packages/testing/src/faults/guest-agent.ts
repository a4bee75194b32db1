import { agentThat, consoleThat } from './awaits.ts';
import type { Fault } from './fault.ts';
import { inTurn, maskUnit } from './guest-lines.ts';

/** The agent, and what it needs to live. Without it nobody can undo anything in the guest. */

const UNIT = 'hearth-agent.service';
const BUNDLE = '/opt/hearth/agent/agent.mjs';
const LEFT_KIB = 24 * 1024;
const HOG = '/run/hearth-fault-hog';
/**
 * Fills a file system in memory, whose pages the kernel can't take back by killing anybody: at once as far as there is room, then
 * until the first process is killed, and from then on whatever becomes free but a little, so that an agent that starts is killed too.
 */
const HOG_SCRIPT = `
sub value { open(my $f, "<", $_[0]); local $/; <$f> =~ /^$_[1]\\D+(\\d+)/m; $1 }
sub available { value("/proc/meminfo", "MemAvailable") }
system("fallocate", "-l", (available() - 4 * ${LEFT_KIB}) . "KiB", "${HOG}/most");
open(my $rest, ">", "${HOG}/rest");
my $piece = "x" x 1048576;
while (1) {
  if (value("/proc/vmstat", "oom_kill") == 0 || available() > ${LEFT_KIB}) { syswrite($rest, $piece) }
  else { select(undef, undef, undef, 0.2) }
}`;

/** Its file is changed by a sed expression and it is started anew; then it must have said that it has its identity. */
const patched = (expression: string): Pick<Fault, 'inject' | 'awaits' | 'undo' | 'spoils'> => ({
  inject: (room) => room.leave(inTurn(`sed -i "${expression}" ${BUNDLE}`, `systemctl restart ${UNIT}`)),
  awaits: consoleThat(/agent started[^]*configured/),
  undo: null,
  spoils: true,
});

export const agentFaults: readonly Fault[] = [
  {
    name: 'wrong_token',
    title: 'the agent takes no token',
    kind: 'cli',
    expects: 'token_refused',
    ...patched('s/Bearer +/NoBearer +/'),
  },
  {
    name: 'agent_wrong_version',
    title: 'the agent says that it is of another version',
    kind: 'cli',
    expects: 'agent_wrong_version',
    ...patched(String.raw`s/\([0-9]\.[0-9]*\.[0-9]*\)+[0-9a-f]\{8\}/\1+00000000/`),
  },
  {
    name: 'agent_masked',
    title: 'the agent’s unit is masked and stopped',
    kind: 'cli',
    expects: 'agent_masked',
    inject: (room) => room.leave(inTurn(maskUnit(UNIT), `systemctl stop ${UNIT}`)),
    awaits: agentThat('refuses'),
    undo: null,
    spoils: true,
  },
  {
    name: 'agent_crashed',
    title: 'the agent’s file is broken, and it is killed',
    kind: 'cli',
    expects: 'agent_crashed',
    inject: (room) =>
      room.leave(inTurn(`echo "throw new Error(1)" > ${BUNDLE}`, `systemctl kill --signal=KILL ${UNIT}`)),
    awaits: agentThat('refuses'),
    undo: null,
    spoils: true,
  },
  {
    name: 'agent_hung',
    title: 'the agent gets a SIGSTOP',
    kind: 'cli',
    expects: 'agent_hung',
    inject: (room) => room.leave(`kill -STOP $(systemctl show --property=MainPID --value ${UNIT})`),
    awaits: agentThat('accepts'),
    undo: null,
    spoils: true,
  },
  {
    name: 'guest_oom',
    title: 'all of the guest’s memory is taken',
    kind: 'cli',
    expects: 'guest_out_of_memory',
    inject: async (room) => {
      const script = `${HOG}/script`;
      await room.guest(`mkdir ${HOG} && mount -t tmpfs -o size=100% hog ${HOG} && cat > ${script} <<'END'${HOG_SCRIPT}
END`);
      await room.leave(inTurn('echo -1000 > /proc/self/oom_score_adj', `exec perl ${script}`));
    },
    awaits: async (room) =>
      (await consoleThat(/Out of memory: Killed process/)(room)) ?? (await agentThat('refuses')(room)),
    undo: null,
    spoils: true,
  },
];
