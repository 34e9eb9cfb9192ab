/*
 * load asks a server on 127.0.0.1 for pages and times the answers.
 *
 *     load PORT CONNECTIONS LENGTH FILE
 *
 * FILE holds one path a line; they are asked for in turn. Every answer must have
 * status 200 and a Content-Length of LENGTH: load ends with a message at the
 * first that has not, and when the server closes a connection, so what it
 * reports was measured on good answers only.
 *
 * Connections are opened one after the other, each answering one request, so
 * that they are idle before the first window. Then load prints "ready" and runs
 * one window for each line of standard input:
 *
 *     SECONDS RATE
 *
 * With a rate of 0 the loop is closed: each connection asks again once it was
 * answered. Otherwise it is open: RATE requests a second have planned instants,
 * each is sent then or, if no connection is free, as soon as one is, and its
 * latency counts from the planned instant. So a server that falls behind cannot
 * slow the clock that measures it. When the window ends load waits for
 * what is still under way, and prints a line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
  HEADER = 2048,     /* the longest header of an answer */
  CHUNK = 256 << 10, /* the most that is read at once */
  GRACE = 30,        /* seconds until a server that does not answer ends load */
};

struct connection {
  int fd;
  uint64_t due;   /* when its request was planned, in ns */
  int in_body;    /* the header of the answer was read */
  long left;      /* bytes of the body to come, once in_body */
  size_t have;    /* bytes of the header so far */
  char header[HEADER + 1];
};

struct request {
  char *text;
  size_t size;
};

static int port, epoll;
static long length;
static struct request *requests;
static size_t request_count, next_request;
static struct connection *connections, **idle;
static size_t connection_count, idle_count;
static uint64_t *latencies; /* of the window, in ns */
static size_t latency_count, latency_room;

static void fail(const char *what, const char *detail) {
  fprintf(stderr, "load: %s%s%s\n", what, detail ? ": " : "", detail ? detail : "");
  exit(1);
}

static void *must(void *memory) {
  if (!memory) fail("out of memory", NULL);
  return memory;
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double cpu_seconds(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void read_requests(const char *file) {
  FILE *f = fopen(file, "r");
  char path[4096];
  size_t room = 0;
  if (!f) fail(file, strerror(errno));
  while (fgets(path, sizeof path, f)) {
    path[strcspn(path, "\n")] = 0;
    if (request_count == room) {
      room = room ? 2 * room : 16;
      requests = must(realloc(requests, room * sizeof *requests));
    }
    struct request *r = &requests[request_count++];
    int n = asprintf(&r->text, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n", path, port);
    if (n < 0) fail("out of memory", NULL);
    r->size = (size_t)n;
  }
  fclose(f);
  if (!request_count) fail(file, "no paths");
}

/* ask sends the next request. It fits into the empty buffer of the socket. */
static void ask(struct connection *c, uint64_t due) {
  struct request *r = &requests[next_request];
  if (++next_request == request_count) next_request = 0;
  c->due = due;
  if (send(c->fd, r->text, r->size, MSG_NOSIGNAL) != (ssize_t)r->size) fail("cannot send a request", strerror(errno));
}

/* check_header ends load if the header is not what was announced. */
static void check_header(const char *header) {
  if (strncmp(header, "HTTP/1.1 200 ", 13)) fail("not a good answer", header);
  const char *field = strcasestr(header, "\r\ncontent-length:");
  if (!field) fail("an answer without Content-Length", header);
  if (atol(field + 17) != length) fail("an answer of another length", header);
}

/* receive reads once, and reports whether the answer is complete. */
static int receive(struct connection *c) {
  static char chunk[CHUNK];
  ssize_t n = recv(c->fd, chunk, sizeof chunk, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (n < 0) fail("cannot receive an answer", strerror(errno));
  if (n == 0) fail("the server closed a connection", NULL);
  if (c->in_body) {
    c->left -= n;
  } else {
    size_t before = c->have, room = HEADER - before, take = (size_t)n < room ? (size_t)n : room;
    memcpy(c->header + before, chunk, take);
    c->have += take;
    c->header[c->have] = 0;
    char *end = strstr(c->header, "\r\n\r\n");
    if (!end) {
      if (c->have == HEADER) fail("an answer with a long header", NULL);
      return 0;
    }
    *end = 0;
    check_header(c->header);
    c->in_body = 1;
    c->left = length - ((long)n - (long)((size_t)(end + 4 - c->header) - before));
  }
  if (c->left < 0) fail("an answer is longer than announced", NULL);
  if (c->left > 0) return 0;
  c->in_body = 0;
  c->have = 0;
  return 1;
}

static void open_connection(struct connection *c) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int on = 1;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to)) fail("cannot connect", strerror(errno));
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ask(c, 0);
  while (!receive(c)) {
  }
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e)) fail("cannot watch a connection", strerror(errno));
  idle[idle_count++] = c;
}

static void record(uint64_t latency) {
  if (latency_count == latency_room) {
    latency_room = latency_room ? 2 * latency_room : 1 << 16;
    latencies = must(realloc(latencies, latency_room * sizeof *latencies));
  }
  latencies[latency_count++] = latency;
}

static int compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* quantile returns the latency that the share q of the sorted ones does not exceed, in us. */
static double quantile(double q) {
  size_t i = (size_t)(q * (double)latency_count);
  return (double)latencies[i < latency_count ? i : latency_count - 1] / 1e3;
}

static void run_window(double seconds, double rate) {
  struct epoll_event events[256];
  double cpu = cpu_seconds();
  uint64_t start = now(), end = start + (uint64_t)(seconds * 1e9), last = start;
  size_t asked = 0;
  latency_count = 0;
  for (;;) {
    uint64_t t = now(), due = t;
    for (;;) {
      if (rate > 0) due = start + (uint64_t)((double)asked * 1e9 / rate);
      if (!idle_count || due >= end || due > t) break;
      ask(idle[--idle_count], due);
      asked++;
    }
    if (due >= end && idle_count == connection_count) break;
    /* Sleep until an answer comes or, with a connection to spare, until the next instant. */
    struct timespec wait = {.tv_sec = 1}, *until = &wait;
    if (idle_count && due < end && due > t) wait = (struct timespec){.tv_nsec = (long)(due - t < 999999999u ? due - t : 999999999u)};
    int n = epoll_pwait2(epoll, events, 256, until, NULL);
    if (n < 0 && errno != EINTR) fail("cannot wait", strerror(errno));
    for (int i = 0; i < n; i++) {
      struct connection *c = events[i].data.ptr;
      if (!receive(c)) continue;
      last = now();
      record(last - c->due);
      idle[idle_count++] = c;
    }
  }
  if (!latency_count) fail("a window too short for one request", NULL);
  cpu = cpu_seconds() - cpu;
  qsort(latencies, latency_count, sizeof *latencies, compare);
  printf("{\"answers\":%zu,\"seconds\":%.6f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"cpu_us\":%.0f}\n", latency_count,
         (double)(last - start) / 1e9, quantile(.5), quantile(.99), cpu * 1e6);
  fflush(stdout);
}

int main(int argc, char **argv) {
  struct rlimit files;
  double seconds, rate;
  if (argc != 5) fail("usage: load PORT CONNECTIONS LENGTH FILE", NULL);
  port = atoi(argv[1]);
  connection_count = (size_t)atol(argv[2]);
  length = atol(argv[3]);
  read_requests(argv[4]);
  if (!getrlimit(RLIMIT_NOFILE, &files)) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  prctl(PR_SET_TIMERSLACK, 1000);
  epoll = epoll_create1(EPOLL_CLOEXEC);
  connections = must(calloc(connection_count, sizeof *connections));
  idle = must(calloc(connection_count, sizeof *idle));
  alarm(GRACE);
  for (size_t i = 0; i < connection_count; i++) open_connection(&connections[i]);
  alarm(0);
  puts("ready");
  fflush(stdout);
  while (scanf("%lf %lf", &seconds, &rate) == 2) {
    alarm((unsigned)seconds + GRACE);
    run_window(seconds, rate);
    alarm(0);
  }
  return 0;
}
