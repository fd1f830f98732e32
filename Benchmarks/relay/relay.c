// The least that a server on libpq can do for one read, as a yardstick: one thread, one epoll, requests that are
// recognised by nothing but their arrival, two prepared statements and a Sync of the very same SQL, one fixed answer
// each. What this costs is the kernel's and libpq's; what the server costs more is ours.
//   relay port conninfo sql1 sql2
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int waiting[65536];  // sockets in the order of their requests
static unsigned first, next;

static void watch(int epoll, int fd) {
  struct epoll_event event = {EPOLLIN, {.fd = fd}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static int listening(int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 128)) exit(1);
  return fd;
}

static PGconn *connected(const char *conninfo, char **sql) {
  PGconn *line = PQconnectdb(conninfo);
  if (PQstatus(line) != CONNECTION_OK) exit(2);
  PQclear(PQprepare(line, "1", sql[0], 0, NULL));
  PQclear(PQprepare(line, "2", sql[1], 0, NULL));
  PQsetnonblocking(line, 1);
  PQenterPipelineMode(line);
  return line;
}

static void ask(PGconn *line, int client) {
  PQsendQueryPrepared(line, "1", 0, NULL, NULL, NULL, 0);
  PQsendQueryPrepared(line, "2", 0, NULL, NULL, NULL, 0);
  PQpipelineSync(line);
  waiting[next++ & 65535] = client;
}

static void answer(PGconn *line) {
  char response[512];
  PQconsumeInput(line);
  while (first != next && !PQisBusy(line)) {
    PGresult *result = PQgetResult(line);
    if (!result) continue;
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_PIPELINE_SYNC) exit(3);
    if (status == PGRES_PIPELINE_SYNC) {
      int length = snprintf(response, sizeof response, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%0300d", 300, 0);
      // A client that has gone in the meantime is no one's loss here.
      (void)!write(waiting[first++ & 65535], response, length);
    }
    PQclear(result);
  }
}

int main(int count, char **arguments) {
  if (count != 5) return 1;
  struct sched_param parameter = {0};
  signal(SIGPIPE, SIG_IGN);
  sched_setscheduler(0, SCHED_BATCH, &parameter);
  PGconn *line = connected(arguments[2], arguments + 3);
  int server = listening(atoi(arguments[1])), epoll = epoll_create1(0), on = 1;
  struct epoll_event events[64];
  char request[8192];
  watch(epoll, server);
  watch(epoll, PQsocket(line));
  for (;;) {
    int ready = epoll_wait(epoll, events, 64, -1);
    for (int index = 0; index < ready; index++) {
      int fd = events[index].data.fd;
      if (fd == server) {
        int client = accept4(server, NULL, NULL, SOCK_NONBLOCK);
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(epoll, client);
      } else if (fd == PQsocket(line)) {
        answer(line);
      } else if (recv(fd, request, sizeof request, 0) > 0) {
        ask(line, fd);
      } else {
        close(fd);
      }
    }
  }
}
