// System calls that Glibc's Swift overlay doesn't export, or exports with awkward signatures (variadic functions,
// unions, flags of mixed types). Each wrapper is one call with plain integers and pointers; failures are -errno.
#pragma once
#include <errno.h>
#include <fcntl.h>
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

static inline int clinux_epoll_wait(int epoll, struct epoll_event *events, int capacity, int timeout_ms) {
  int count = epoll_wait(epoll, events, capacity, timeout_ms);
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
