import type { ConnectionInfo } from '@muster/shared-types';

export interface Way {
  id: string;
  title: string;
  steps: { say: string; text: string }[];
}

const HOSTS_FILE = '~/.ssh/muster_known_hosts';

/**
 * Ways into a running instance. Its host key comes with them, so that `StrictHostKeyChecking=yes` holds from the first
 * connection on. `name` is what an SSH configuration calls it.
 */
export function waysIn({ host, ssh }: Pick<ConnectionInfo, 'host' | 'ssh'>, name: string): Way[] {
  if (!ssh) return [];
  const trust = { say: 'Once: the key that this instance proves itself with', text: `echo '${ssh.known_hosts}' >> ${HOSTS_FILE}` };
  const options = `-o UserKnownHostsFile=${HOSTS_FILE} -o StrictHostKeyChecking=yes`;
  const config = `cat >> ~/.ssh/config <<'END'\nHost ${name}\n  HostName ${host}\n  Port ${ssh.port}\n  User ${ssh.user}\n  UserKnownHostsFile ${HOSTS_FILE}\n  StrictHostKeyChecking yes\nEND`;
  return [
    { id: 'ssh', title: 'SSH', steps: [{ say: 'A shell', text: ssh.command }, trust] },
    { id: 'vscode', title: 'VS Code', steps: [trust, { say: 'Once: a name for it', text: config }, { say: 'Open it', text: `code --remote ssh-remote+${name} /workspace` }] },
    { id: 'scp', title: 'Copy files', steps: [trust, { say: 'To it', text: `scp ${options} -P ${ssh.port} ./file ${ssh.user}@${host}:/workspace/` }, { say: 'From it', text: `scp ${options} -P ${ssh.port} ${ssh.user}@${host}:/workspace/file .` }, { say: 'A folder', text: `rsync -avz -e "ssh ${options} -p ${ssh.port}" ./folder/ ${ssh.user}@${host}:/workspace/folder/` }] },
    { id: 'forward', title: 'A port to here', steps: [trust, { say: 'Its port 8000 at localhost:8000', text: `ssh ${options} -p ${ssh.port} -N -L 8000:localhost:8000 ${ssh.user}@${host}` }] },
  ];
}
