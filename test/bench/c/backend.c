/*
 * backend is a cheap HTTP/1.1 server: one thread, no copies, no logs.
 *
 *     backend FOLDER
 *
 * It prints the port of 127.0.0.1 that it listens on and answers GET of /NAME,
 * /NAME/anything and /NAME?anything with the file NAME of the folder, as JSON.
 * The files are read once. Requests must have no body.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGES = 64, REQUEST = 8192 };

struct page {
  char name[64];
  size_t name_size;
  char *answer; /* header and body */
  size_t size;
};

struct connection {
  int fd;
  const char *out; /* what of the answer is not sent yet */
  size_t left;
  size_t have; /* bytes of requests in in */
  char in[REQUEST];
};

static struct page pages[PAGES];
static size_t page_count;
static struct page missing = {.answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"};
static int epoll;

static void fail(const char *what) {
  fprintf(stderr, "backend: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void read_page(const char *folder, const char *name) {
  struct stat about;
  char file[4096];
  snprintf(file, sizeof file, "%s/%s", folder, name);
  FILE *f = fopen(file, "rb");
  if (!f || fstat(fileno(f), &about)) fail(file);
  if (S_ISREG(about.st_mode)) {
    if (page_count == PAGES || strlen(name) >= sizeof pages->name) errno = E2BIG, fail(file);
    struct page *p = &pages[page_count++];
    size_t body = (size_t)about.st_size;
    p->name_size = strlen(strcpy(p->name, name));
    p->answer = malloc(body + 256);
    if (!p->answer) fail(file);
    p->size = (size_t)sprintf(p->answer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", body);
    if (fread(p->answer + p->size, 1, body, f) != body) fail(file);
    p->size += body;
  }
  fclose(f);
}

static void read_pages(const char *folder) {
  DIR *d = opendir(folder);
  if (!d) fail(folder);
  for (struct dirent *e; (e = readdir(d));)
    if (e->d_name[0] != '.') read_page(folder, e->d_name);
  closedir(d);
}

static const struct page *find(const char *request) {
  if (strncmp(request, "GET /", 5)) return &missing;
  const char *name = request + 5;
  size_t size = strcspn(name, "/? ");
  for (size_t i = 0; i < page_count; i++)
    if (pages[i].name_size == size && !memcmp(pages[i].name, name, size)) return &pages[i];
  return &missing;
}

static void await(struct connection *c, int operation, unsigned events) {
  struct epoll_event e = {.events = events, .data.ptr = c};
  if (epoll_ctl(epoll, operation, c->fd, &e)) fail("epoll_ctl");
}

/* send_rest sends what it can, and reports whether the connection lives. */
static int send_rest(struct connection *c) {
  while (c->left) {
    ssize_t n = send(c->fd, c->out, c->left, MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN;
    c->out += n;
    c->left -= (size_t)n;
  }
  return 1;
}

/* answer answers the requests that are complete until the socket is full. It
 * reports whether the connection lives. */
static int answer(struct connection *c) {
  char *end;
  while (!c->left && (end = memmem(c->in, c->have, "\r\n\r\n", 4))) {
    *end = 0;
    const struct page *p = find(c->in);
    size_t used = (size_t)(end + 4 - c->in);
    c->have -= used;
    memmove(c->in, end + 4, c->have);
    c->out = p->answer;
    c->left = p->size;
    if (!send_rest(c)) return 0;
  }
  return c->left || c->have < REQUEST;
}

/* serve goes on with a connection that is ready, and reports whether it lives. */
static int serve(struct connection *c) {
  int waiting = c->left > 0, alive = 1;
  if (waiting) {
    alive = send_rest(c);
  } else {
    ssize_t n = recv(c->fd, c->in + c->have, REQUEST - c->have, 0);
    if (n < 0) return errno == EAGAIN;
    if (n == 0) return 0;
    c->have += (size_t)n;
  }
  if (alive) alive = answer(c);
  if (alive && waiting != (c->left > 0)) await(c, EPOLL_CTL_MOD, waiting ? EPOLLIN : EPOLLOUT);
  return alive;
}

static void accept_one(int listener) {
  int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct connection *c = malloc(sizeof *c);
  if (!c) fail("malloc");
  c->fd = fd;
  c->left = c->have = 0;
  await(c, EPOLL_CTL_ADD, EPOLLIN);
}

int main(int argc, char **argv) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof at;
  struct epoll_event events[256];
  struct rlimit files;
  if (argc != 2) errno = EINVAL, fail("usage: backend FOLDER");
  missing.size = strlen(missing.answer);
  read_pages(argv[1]);
  if (!getrlimit(RLIMIT_NOFILE, &files)) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&at, size) || listen(listener, 4096)) fail("listen");
  if (getsockname(listener, (struct sockaddr *)&at, &size)) fail("listen");
  printf("%d\n", ntohs(at.sin_port));
  fflush(stdout);
  epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e)) fail("epoll_ctl");
  for (;;) {
    int n = epoll_wait(epoll, events, 256, -1);
    for (int i = 0; i < n; i++) {
      struct connection *c = events[i].data.ptr;
      if (!c) {
        accept_one(listener);
      } else if (!serve(c)) {
        close(c->fd);
        free(c);
      }
    }
  }
}
