import { describe, expect, it } from 'vitest';
import { sanitiseEnv } from './hardening.js';
import { ALLOWED_SYSCALLS, SECCOMP_PROFILE } from './seccomp.js';

describe('sanitiseEnv', () => {
  it('keeps what is the tenant\'s own', () => {
    expect(sanitiseEnv({ JUPYTER_TOKEN: 'a b=c', PATH: '/x', CUDA_VISIBLE_DEVICES: '0', LDAP: '1' })).toEqual(['JUPYTER_TOKEN=a b=c', 'PATH=/x', 'CUDA_VISIBLE_DEVICES=0', 'LDAP=1']);
  });

  it.each(['NVIDIA_VISIBLE_DEVICES', 'nvidia_driver_capabilities', 'LD_PRELOAD', 'LD_LIBRARY_PATH', 'LD_AUDIT', 'DOCKER_HOST', '_LIBCONTAINER_INITPIPE', 'GLIBC_TUNABLES', 'NOTIFY_SOCKET', '', 'A B', '1X', 'A=B'])(
    'strips %j',
    (name) => expect(sanitiseEnv({ [name]: 'x' })).toEqual([]),
  );

  it('strips values that no environment can hold', () => {
    expect(sanitiseEnv({ A: 'x\0LD_PRELOAD=y', B: 'x'.repeat(70_000) })).toEqual([]);
  });
});

describe('the seccomp profile', () => {
  const refused = [
    'io_uring_setup', 'io_uring_enter', 'io_uring_register', 'keyctl', 'add_key', 'request_key', 'userfaultfd', 'bpf', 'perf_event_open',
    'mount', 'umount2', 'fsopen', 'move_mount', 'open_by_handle_at', 'unshare', 'setns', 'clone', 'clone3', 'socket', 'init_module', 'finit_module',
    'kexec_load', 'reboot', 'swapon', 'settimeofday', 'clock_settime', 'acct', 'iopl', 'ioperm', 'quotactl', 'syslog', 'pivot_root', 'personality', 'pidfd_getfd',
  ];
  it.each(refused)('does not allow %s outright', (name) => expect(ALLOWED_SYSCALLS).not.toContain(name));

  it('names each call once, refuses the rest, and has one architecture per machine', () => {
    expect(new Set(ALLOWED_SYSCALLS).size).toBe(ALLOWED_SYSCALLS.length);
    expect(ALLOWED_SYSCALLS.every((name) => /^[a-z0-9_]+$/.test(name))).toBe(true);
    expect(SECCOMP_PROFILE).toMatchObject({ defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 1 });
    expect(SECCOMP_PROFILE.archMap.flatMap((arch) => arch.subArchitectures)).toEqual([]);
  });
});
