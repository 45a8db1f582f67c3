/**
 * System calls an instance may make: a list of what programs need, everything else fails with EPERM. It follows the
 * allow-list that Docker ships (github.com/moby/profiles, seccomp) for a container without extra capabilities, and is
 * narrower: no io_uring, no keyrings, no userfaultfd, bpf or perf,
 * sockets only of the families below, and no 32-bit or x32 entry points, each of which is a second
 * door to the same kernel.
 */
const FILES = `access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64
fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr fstat fstatfs
fsync ftruncate futimesat getcwd getdents getdents64 getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch
ioctl lchown lgetxattr link linkat listxattr llistxattr lremovexattr lseek lsetxattr lstat mkdir mkdirat mknod mknodat
newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv
removexattr rename renameat renameat2 rmdir sendfile setxattr splice stat statfs statx symlink symlinkat sync
sync_file_range syncfs tee truncate umask unlink unlinkat utime utimensat utimes vmsplice write writev chroot
fanotify_mark cachestat`;

const MEMORY = `brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mprotect mremap mseal msync
munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect remap_file_pages`;

const PROCESSES = `alarm arch_prctl capget capset execve execveat exit exit_group fork futex futex_requeue futex_wait futex_waitv futex_wake
get_robust_list get_thread_area getcpu getegid geteuid getgid getgroups getitimer getpgid getpgrp getpid getppid getpriority getrandom
getresgid getresuid getrlimit getrusage getsid gettid getuid ioprio_get ioprio_set kill modify_ldt pause pidfd_open
pidfd_send_signal prctl prlimit64 process_mrelease process_vm_readv process_vm_writev ptrace restart_syscall rseq
rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo
sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp set_robust_list
set_thread_area set_tid_address setfsgid setfsuid setgid setgroups setitimer setpgid setpriority setregid setresgid setresuid
setreuid setrlimit setsid setuid sigaltstack tgkill time times tkill uname vfork wait4 waitid sysinfo
landlock_add_rule landlock_create_ruleset landlock_restrict_self`;

const WAITING = `adjtimex clock_adjtime clock_getres clock_gettime clock_nanosleep epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait
epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 gettimeofday io_cancel io_destroy io_getevents io_pgetevents
io_setup io_submit nanosleep pipe pipe2 poll ppoll pselect6 select signalfd signalfd4 timer_create timer_delete
timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime`;

const MESSAGES = `accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg sendmsg sendto
setsockopt shutdown socketpair mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv
msgsnd semctl semget semop semtimedop shmat shmctl shmdt shmget`;

/** AF_UNIX, AF_INET, AF_INET6. Not: AF_VSOCK (reaches the hypervisor), AF_ALG, AF_PACKET and the rare ones. */
const SOCKET_FAMILIES = [1, 2, 10];
const AF_NETLINK = 16;
/** Routes, socket statistics, and audit, which sshd opens. Not: netfilter, xfrm, crypto, RDMA and the generic families. */
const NETLINK_PROTOCOLS = [0, 4, 9];
/** PER_LINUX, PER_LINUX32, UNAME26, both, and the query. Not: ADDR_NO_RANDOMIZE. */
const PERSONALITIES = [0, 8, 0x20000, 0x20008, 0xffffffff];
/** Every CLONE_NEW* flag: an instance makes no namespaces. */
const CLONE_NAMESPACE_FLAGS = 0x7e020000;
const ENOSYS = 38;

const allow = (names: string[], args: object[] = []): object => ({ names, action: 'SCMP_ACT_ALLOW', args });
const is = (index: number, value: number): object => ({ index, value, op: 'SCMP_CMP_EQ' });

/** Names of the calls that are allowed with any arguments. */
export const ALLOWED_SYSCALLS: readonly string[] = [FILES, MEMORY, PROCESSES, WAITING, MESSAGES].flatMap((group) => group.split(/\s+/));

/** The profile as Docker takes it in `SecurityOpt: seccomp=<JSON>`. clone3 answers ENOSYS so that libc falls back to clone. */
export const SECCOMP_PROFILE = {
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: 1,
  archMap: [
    { architecture: 'SCMP_ARCH_X86_64', subArchitectures: [] },
    { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: [] },
  ],
  syscalls: [
    allow([...ALLOWED_SYSCALLS]),
    ...SOCKET_FAMILIES.map((family) => allow(['socket'], [is(0, family)])),
    ...NETLINK_PROTOCOLS.map((protocol) => allow(['socket'], [is(0, AF_NETLINK), is(2, protocol)])),
    ...PERSONALITIES.map((value) => allow(['personality'], [is(0, value)])),
    allow(['clone'], [{ index: 0, value: CLONE_NAMESPACE_FLAGS, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }]),
    { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS, args: [] },
  ],
};
