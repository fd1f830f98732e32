// System calls that Glibc's Swift overlay doesn't export, or exports with awkward signatures (variadic functions,
// unions, flags of mixed types). Each wrapper is one call with plain integers and pointers; failures are -errno.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

// ---- epoll and eventfd --------------------------------------------------------------------------------------------

static inline int clinux_epoll_create(void) {
  int fd = epoll_create1(EPOLL_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

static inline int clinux_epoll_control(int epoll, int operation, int fd, uint32_t events, uint64_t token) {
  struct epoll_event event;
  event.events = events;
  event.data.u64 = token;
  return epoll_ctl(epoll, operation, fd, &event) < 0 ? -errno : 0;
}

// Waits for at most so many nanoseconds, or without end when they are negative. A kernel before 5.11 has no
// epoll_pwait2; there the time is rounded up to milliseconds.
static inline int clinux_epoll_wait(int epoll, struct epoll_event *events, int capacity, int64_t timeout_ns) {
  struct timespec timeout = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
  int count = epoll_pwait2(epoll, events, capacity, timeout_ns < 0 ? NULL : &timeout, NULL);
  if (count < 0 && errno == ENOSYS) {
    int64_t timeout_ms = timeout_ns < 0 ? -1 : (timeout_ns + 999999) / 1000000;
    count = epoll_wait(epoll, events, capacity, timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms);
  }
  return count < 0 ? -errno : count;
}

static inline uint64_t clinux_epoll_token(const struct epoll_event *event) { return event->data.u64; }

static const int CLINUX_EPOLL_ADD = EPOLL_CTL_ADD;
static const int CLINUX_EPOLL_MODIFY = EPOLL_CTL_MOD;
static const int CLINUX_EPOLL_DELETE = EPOLL_CTL_DEL;

static const uint32_t CLINUX_EPOLL_IN = EPOLLIN;
static const uint32_t CLINUX_EPOLL_OUT = EPOLLOUT;
static const uint32_t CLINUX_EPOLL_ERR = EPOLLERR;
static const uint32_t CLINUX_EPOLL_HUP = EPOLLHUP;
static const uint32_t CLINUX_EPOLL_RDHUP = EPOLLRDHUP;
static const uint32_t CLINUX_EPOLL_EXCLUSIVE = EPOLLEXCLUSIVE;

static inline int clinux_eventfd_create(void) {
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return fd < 0 ? -errno : fd;
}

static inline void clinux_eventfd_signal(int fd) {
  uint64_t one = 1;
  while (write(fd, &one, sizeof one) < 0 && errno == EINTR) {}
}

static inline void clinux_eventfd_clear(int fd) {
  uint64_t value;
  while (read(fd, &value, sizeof value) < 0 && errno == EINTR) {}
}

// ---- clocks -------------------------------------------------------------------------------------------------------

static inline int64_t clinux_monotonic_nanoseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static inline int64_t clinux_wall_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME_COARSE, &time);
  return (int64_t)time.tv_sec;
}

// ---- sockets ------------------------------------------------------------------------------------------------------

// The address of a peer, flattened: family is AF_INET, AF_INET6, AF_UNIX or 0; bytes in network order.
struct clinux_peer {
  int family;
  uint8_t address[16];
};

static inline void clinux_flatten(const struct sockaddr_storage *from, struct clinux_peer *peer) {
  memset(peer, 0, sizeof *peer);
  peer->family = from->ss_family;
  if (from->ss_family == AF_INET) {
    memcpy(peer->address, &((const struct sockaddr_in *)from)->sin_addr, 4);
  } else if (from->ss_family == AF_INET6) {
    memcpy(peer->address, &((const struct sockaddr_in6 *)from)->sin6_addr, 16);
  }
}

// Declared here because _GNU_SOURCE would change types that Glibc's module has too.
extern int accept4(int listener, struct sockaddr *from, socklen_t *length, int flags);

// Accepts one connection, non-blocking and closed on exec.
static inline int clinux_accept(int listener, struct clinux_peer *peer) {
  struct sockaddr_storage from;
  socklen_t length = sizeof from;
  memset(&from, 0, sizeof from);
  int fd = accept4(listener, (struct sockaddr *)&from, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return -errno;
  clinux_flatten(&from, peer);
  return fd;
}

static inline int clinux_set_nodelay(int fd) {
  int on = 1;
  return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ? -errno : 0;
}

static inline int clinux_set_nonblocking(int fd) {
  int flags = fcntl(fd, F_GETFL, 0);
  if (flags < 0) return -errno;
  return fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

// Makes close() send a reset instead of a FIN.
static inline int clinux_set_reset_on_close(int fd) {
  struct linger linger = {1, 0};
  return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) < 0 ? -errno : 0;
}

static inline ssize_t clinux_receive(int fd, void *buffer, size_t count) {
  ssize_t got;
  do { got = recv(fd, buffer, count, 0); } while (got < 0 && errno == EINTR);
  return got < 0 ? -errno : got;
}

static inline ssize_t clinux_send(int fd, const void *buffer, size_t count) {
  ssize_t sent;
  do { sent = send(fd, buffer, count, MSG_NOSIGNAL); } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : sent;
}

// Sends two pieces in one call.
static inline ssize_t clinux_send_two(int fd, const void *a, size_t a_count, const void *b, size_t b_count) {
  struct iovec pieces[2] = {{(void *)a, a_count}, {(void *)b, b_count}};
  struct msghdr message;
  memset(&message, 0, sizeof message);
  message.msg_iov = pieces;
  message.msg_iovlen = 2;
  ssize_t sent;
  do { sent = sendmsg(fd, &message, MSG_NOSIGNAL); } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : sent;
}

// Listens on an IPv4 (4 bytes) or IPv6 (16 bytes) address. Returns the socket or -errno.
static inline int clinux_listen_tcp(const uint8_t *address, int length, uint16_t port, int backlog, int reuse_port) {
  int family = length == 4 ? AF_INET : AF_INET6, on = 1;
  int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (reuse_port) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  struct sockaddr_storage to;
  socklen_t size;
  memset(&to, 0, sizeof to);
  if (family == AF_INET) {
    struct sockaddr_in *in = (struct sockaddr_in *)&to;
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    memcpy(&in->sin_addr, address, 4);
    size = sizeof *in;
  } else {
    struct sockaddr_in6 *in = (struct sockaddr_in6 *)&to;
    in->sin6_family = AF_INET6;
    in->sin6_port = htons(port);
    memcpy(&in->sin6_addr, address, 16);
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    size = sizeof *in;
  }
  if (bind(fd, (struct sockaddr *)&to, size) < 0 || listen(fd, backlog) < 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

// Listens on a Unix socket path (an existing file is the caller's to remove). Returns the socket or -errno.
static inline int clinux_listen_unix(const char *path, int backlog) {
  struct sockaddr_un to;
  memset(&to, 0, sizeof to);
  to.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof to.sun_path) return -ENAMETOOLONG;
  strcpy(to.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  if (bind(fd, (struct sockaddr *)&to, sizeof to) < 0 || listen(fd, backlog) < 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

// Connects to a Unix socket path; waits. Returns the socket or -errno.
static inline int clinux_connect_unix(const char *path) {
  struct sockaddr_un to;
  memset(&to, 0, sizeof to);
  to.sun_family = AF_UNIX;
  if (strlen(path) >= sizeof to.sun_path) return -ENAMETOOLONG;
  strcpy(to.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

// The port a TCP socket is bound to, or -errno.
static inline int clinux_bound_port(int fd) {
  struct sockaddr_storage at;
  socklen_t size = sizeof at;
  memset(&at, 0, sizeof at);
  if (getsockname(fd, (struct sockaddr *)&at, &size) < 0) return -errno;
  if (at.ss_family == AF_INET) return ntohs(((struct sockaddr_in *)&at)->sin_port);
  if (at.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)&at)->sin6_port);
  return -EAFNOSUPPORT;
}

// ---- bytes and files ----------------------------------------------------------------------------------------------

// Index of the first `byte` in `bytes[0..<count]`, or -1.
static inline ptrdiff_t clinux_find_byte(const void *bytes, size_t count, uint8_t byte) {
  if (count == 0) return -1;
  const void *found = memchr(bytes, byte, count);
  return found ? (const uint8_t *)found - (const uint8_t *)bytes : -1;
}

// A file without a name in `directory`, readable by its owner alone. Returns the descriptor or -errno.
static inline int clinux_open_unnamed(const char *directory) {
  int fd = open(directory, __O_TMPFILE | O_DIRECTORY | O_RDWR | O_CLOEXEC, 0600);
  return fd < 0 ? -errno : fd;
}

// ---- progress -----------------------------------------------------------------------------------------------------

#include <linux/sockios.h>
#include <sys/ioctl.h>

// Bytes sent that the peer hasn't acknowledged (TCP) or read (Unix), or -errno.
static inline int clinux_unsent_bytes(int fd) {
  int count = 0;
  return ioctl(fd, SIOCOUTQ, &count) < 0 ? -errno : count;
}

// ---- processes ----------------------------------------------------------------------------------------------------

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

// Blocks these signals for the calling thread (and those it starts) and returns a descriptor that reads them.
static inline int clinux_take_signals(const int *signals, int count) {
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < count; i++) sigaddset(&set, signals[i]);
  if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) return -errno;
  int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  return fd < 0 ? -errno : fd;
}

// The next signal of such a descriptor; 0 when there is none.
static inline int clinux_next_signal(int fd) {
  struct signalfd_siginfo info;
  ssize_t got;
  do { got = read(fd, &info, sizeof info); } while (got < 0 && errno == EINTR);
  return got == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

static inline int clinux_ignore_signal(int number) {
  return signal(number, SIG_IGN) == SIG_ERR ? -errno : 0;
}

// A descriptor that becomes readable when the process ends.
static inline int clinux_pidfd(pid_t pid) {
  long fd = syscall(SYS_pidfd_open, pid, 0);
  return fd < 0 ? -errno : (int)fd;
}

// Sends `number` to the calling process when its parent's thread ends.
static inline int clinux_signal_at_parents_death(int number) {
  return prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) < 0 ? -errno : 0;
}

static inline int clinux_no_new_privileges(void) {
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static inline int clinux_not_dumpable(void) {
  struct rlimit none = {0, 0};
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return -errno;
  return setrlimit(RLIMIT_CORE, &none) < 0 ? -errno : 0;
}

// Raises the limit of open files to the hard limit, or to `wanted` if that is less. Returns the limit or -errno.
static inline int64_t clinux_raise_open_files(int64_t wanted) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
  rlim_t target = limit.rlim_max < (rlim_t)wanted ? limit.rlim_max : (rlim_t)wanted;
  if (target > limit.rlim_cur) {
    limit.rlim_cur = target;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
  }
  return (int64_t)limit.rlim_cur;
}

static inline int clinux_close_on_exec(int fd) {
  return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

static inline int clinux_pipe(int ends[2]) {
  if (pipe(ends) < 0) return -errno;
  clinux_close_on_exec(ends[0]);
  clinux_close_on_exec(ends[1]);
  return clinux_set_nonblocking(ends[0]);
}

// Starts a program with this process's environment, no blocked signals, default signal actions, and `kept`
// descriptors under their own numbers; all others should be close-on-exec. Returns the process id or -errno.
static inline pid_t clinux_spawn(const char *path, char *const *arguments, const int *kept, int count) {
  extern char **environ;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, handled;
  pid_t pid = 0;
  sigemptyset(&none);
  sigemptyset(&handled);
  sigaddset(&handled, SIGTERM);
  sigaddset(&handled, SIGINT);
  sigaddset(&handled, SIGHUP);
  sigaddset(&handled, SIGPIPE);
  if (posix_spawn_file_actions_init(&actions) != 0) return -ENOMEM;
  if (posix_spawnattr_init(&attributes) != 0) {
    posix_spawn_file_actions_destroy(&actions);
    return -ENOMEM;
  }
  int error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  if (!error) error = posix_spawnattr_setsigmask(&attributes, &none);
  if (!error) error = posix_spawnattr_setsigdefault(&attributes, &handled);
  // A descriptor duplicated onto itself loses its close-on-exec flag in the child (glibc 2.29 and later).
  for (int i = 0; i < count && !error; i++) {
    error = posix_spawn_file_actions_adddup2(&actions, kept[i], kept[i]);
  }
  if (!error) error = posix_spawn(&pid, path, &actions, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error ? -error : pid;
}

// Starts a program found on the path of `environment`, with `input` as standard input and nothing else of ours: output
// goes to /dev/null, no signal is blocked. Returns the pid or -errno.
static inline int clinux_spawn_fed(const char *program, char *const *arguments, char *const *environment, int input) {
  pid_t pid;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none;
  sigemptyset(&none);
  int error = posix_spawn_file_actions_init(&actions);
  if (error) return -error;
  error = posix_spawnattr_init(&attributes);
  if (error) {
    posix_spawn_file_actions_destroy(&actions);
    return -error;
  }
  error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  if (!error) error = posix_spawnattr_setsigmask(&attributes, &none);
  if (!error) error = posix_spawn_file_actions_adddup2(&actions, input, 0);
  if (!error) error = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  if (!error) error = posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  if (!error) error = posix_spawnp(&pid, program, &actions, &attributes, arguments, environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error ? -error : pid;
}

// Like clinux_reap, for a child that may still run: -EAGAIN then.
static inline int clinux_reap_if_ended(pid_t pid) {
  int status;
  pid_t got;
  do { got = waitpid(pid, &status, WNOHANG); } while (got < 0 && errno == EINTR);
  if (got < 0) return -errno;
  if (got == 0) return -EAGAIN;
  return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Collects an ended child. Returns its exit code, or 256 + the signal that ended it, or -errno.
static inline int clinux_reap(pid_t pid) {
  int status;
  pid_t got;
  do { got = waitpid(pid, &status, 0); } while (got < 0 && errno == EINTR);
  if (got < 0) return -errno;
  return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

// ---- shared memory ------------------------------------------------------------------------------------------------

extern int memfd_create(const char *name, unsigned flags);

// Anonymous memory of that size, all zeros, close-on-exec (flag 1). Returns the descriptor or -errno.
static inline int clinux_memory_create(const char *name, size_t size) {
  int fd = memfd_create(name, 1);
  if (fd < 0) return -errno;
  if (ftruncate(fd, (off_t)size) < 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

static inline int64_t clinux_file_size(int fd) {
  struct stat status;
  return fstat(fd, &status) < 0 ? -errno : (int64_t)status.st_size;
}

// Maps shared memory for reading and writing; NULL when that fails.
static inline uint64_t *clinux_memory_map(int fd, size_t size) {
  void *start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return start == MAP_FAILED ? NULL : (uint64_t *)start;
}

static inline uint64_t clinux_atomic_load(const uint64_t *cell) { return __atomic_load_n(cell, __ATOMIC_ACQUIRE); }

static inline void clinux_atomic_store(uint64_t *cell, uint64_t value) {
  __atomic_store_n(cell, value, __ATOMIC_RELEASE);
}

static inline void clinux_atomic_add(uint64_t *cell, uint64_t value) {
  __atomic_fetch_add(cell, value, __ATOMIC_RELAXED);
}

// Returns 1 when the cell held `expected` and holds `desired` now.
static inline int clinux_atomic_exchange(uint64_t *cell, uint64_t expected, uint64_t desired) {
  return __atomic_compare_exchange_n(cell, &expected, desired, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

// ---- abandoned Unix sockets ---------------------------------------------------------------------------------------

// 1 when the path is a socket on which nobody listens.
static inline int clinux_unix_is_abandoned(const char *path) {
  struct stat status;
  struct sockaddr_un to;
  memset(&to, 0, sizeof to);
  to.sun_family = AF_UNIX;
  if (lstat(path, &status) < 0 || !S_ISSOCK(status.st_mode) || strlen(path) >= sizeof to.sun_path) return 0;
  strcpy(to.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return 0;
  int refused = connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno == ECONNREFUSED;
  close(fd);
  return refused;
}

// ---- wall clock ---------------------------------------------------------------------------------------------------

#include <stdio.h>

// The wall clock in RFC 3339, in UTC, with milliseconds and a NUL: 30 characters.
static inline void clinux_timestamp(char *out, size_t size) {
  struct timespec time;
  struct tm parts;
  char seconds[24];
  clock_gettime(CLOCK_REALTIME, &time);
  gmtime_r(&time.tv_sec, &parts);
  strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &parts);
  snprintf(out, size, "%s.%03d+00:00", seconds, (int)(time.tv_nsec / 1000000));
}
