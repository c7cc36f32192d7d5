/* N followers of Parley boards in one thread: what a client does by SPEC.md, at a cost that leaves the cores to the server.
 *
 * Usage: swarm -H hellos [-B prefix] [-n boards] [-t seconds] PORT N       or, for a plain WebSocket server:   swarm PORT N
 *   -H  file of `hello` frames in MessagePack without `resume`, one a line in hex; connection i sends line i mod lines
 *   -B  connection i follows the board PREFIX followed by the number i mod boards ("load-", 1)
 *   -t  greatest life of the process in seconds (3600)
 *
 * A body (or, without -H, a message) that begins with `@` and 20 digits is a delivery: the digits are the CLOCK_MONOTONIC nanoseconds of
 * its sending, and how long it took goes into a histogram. Prints "READY N" when all follow their boards, then obeys lines on stdin; each
 * but the first four answers with one line that begins with its own first word:
 *   stall P        of every 1,000 connections, P stop reading from now on; they are the slow ones until the next `stall`
 *   unstall        they read again
 *   drop           close every connection at once; each comes back after the delay that SPEC.md asks for, with its cursor
 *   mark K         note how far each connection's bytes have come, for `tracked K`: what lies beyond arrived later
 *   track POST     from now on look out for this post; answers "track K"
 *   until D        answers "until D T" at CLOCK_MONOTONIC T, once D deliveries have come to connections that are not slow
 *   count          totals since the start
 *   histogram C    "histogram n=N max=M LEAST:COUNT ..." in microseconds, and forgets them. C: 0 deliveries, 1 those to slow ones, 2 from
 *                  the loss of a connection until it has all that its board held when it was back
 *   boards         the least seq that the followers of each board have, in the order of the boards
 *   tracked K T    when each connection that is not slow was first told to hide post K, in microseconds since T:
 *                  "tracked K hidden=N missing=N late=N reordered=N slow_hidden=N slow_late=N US US ...". late: a body came that lay
 *                  beyond the mark; reordered: a body came after the notice
 * At the end of stdin, or of its life, it prints a last count and exits.
 */
#define PROGRAM "swarm"
#include "ws.h"
#include "frames.h"
#include "histogram.h"
#include "tracked.h"
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HELLOS_MAX = 1 << 14, HELLO_BYTES_MAX = 1024, READ_BYTES = 1 << 18, FRAME_BYTES_MAX = 1 << 18, EVENTS_MAX = 512 };
enum { PACE = 64, SCAN_MS = 5, STAMP_BYTES = 21, SETTLED_S = 60 };
enum { DELAY_FIRST_MS = 500, DELAY_LEAST_MS = 100, DELAY_MOST_MS = 30000 }; /* SPEC.md, "Errors and closes" */
enum state { WAITING, CONNECTING, SHAKING, GREETING, JOINING, LIVE, TURNED_AWAY };
enum { HEALTHY, SLOW, RECOVERY, HISTOGRAMS };

struct conn {
    int fd;
    enum state state;
    uint8_t slow, stalled;
    uint8_t recovering; /* it was lost, and has not reached its goal */
    uint8_t losses;     /* in a row, without a minute of life between them */
    uint8_t *rest;                 /* the beginning of a frame whose end has not come */
    size_t rest_len;
    uint64_t taken; /* bytes read so far, over all its sockets: a place in what it was sent */
    uint64_t due_ns, lost_ns, live_ns;
    uint64_t after_ms; /* what `bye`, `error` or Retry-After asked for */
    uint64_t seq, goal; /* its cursor, and what its board's head was when it was back */
    char epoch[ID_BYTES_MAX + 1];
};

static struct conn *conns;
static int conn_count, board_count = 1, poller, port;
static const char *prefix = "load-";
static char request[REQUEST_BYTES_MAX];
static struct { uint8_t data[HELLO_BYTES_MAX]; size_t size; } *hellos;
static int hello_count, pace = PACE, on_the_way, waiting, live;
static struct histogram histograms[HISTOGRAMS];
static uint64_t deliveries[2], frames, bytes, reads, holes, repeats, gaps, epochs, lost, refused, errors, resumed, until;

static void watch(struct conn *c, int operation, uint32_t events) {
    struct epoll_event wanted = {.events = events, .data.ptr = c};
    if (epoll_ctl(poller, operation, c->fd, &wanted) < 0)
        fail("epoll_ctl");
}

static int is_on_the_way(const struct conn *c) { return c->state > WAITING && c->state < LIVE; }

static void enter(struct conn *c, enum state state) {
    on_the_way -= is_on_the_way(c);
    waiting -= c->state == WAITING;
    live += (state == LIVE) - (c->state == LIVE);
    c->state = state;
    on_the_way += is_on_the_way(c);
    waiting += state == WAITING;
    if (state == LIVE)
        c->live_ns = now_ns();
}

/* The connection is gone, or is given up. It waits as SPEC.md says: what it was asked for, and a random delay that doubles. */
static void lose(struct conn *c) {
    uint64_t now = now_ns();
    if (c->state == LIVE) {
        lost++;
        c->lost_ns = c->recovering ? c->lost_ns : now;
        c->recovering = 1;
        c->losses = now - c->live_ns > SETTLED_S * 1000000000ull ? 0 : c->losses;
    }
    uint64_t most = (uint64_t)DELAY_FIRST_MS << (c->losses < 6 ? c->losses : 6);
    uint64_t delay = (uint64_t)random() % ((most < DELAY_MOST_MS ? most : DELAY_MOST_MS) + 1);
    c->due_ns = now + (c->after_ms + (delay > DELAY_LEAST_MS ? delay : DELAY_LEAST_MS)) * 1000000;
    c->losses += c->losses < 10;
    c->after_ms = 0;
    close(c->fd); /* which takes it from the poller as well */
    free(c->rest);
    c->rest = NULL;
    c->rest_len = 0;
    c->fd = -1;
    c->stalled = 0;
    enter(c, WAITING);
}

static void say(struct conn *c, int opcode, const uint8_t *payload, size_t size) {
    uint8_t frame[HELLO_BYTES_MAX + 512 + FRAME_HEAD_BYTES_MAX];
    send(c->fd, frame, client_frame(frame, opcode, payload, size), MSG_NOSIGNAL); /* a connection that is gone is met when it is read */
}

static const char *board_of(const struct conn *c) {
    static char name[80];
    snprintf(name, sizeof name, "%s%d", prefix, (int)(c - conns) % board_count);
    return name;
}

/* Sends `hello`: the connection's own, with its cursor where it has one. */
static void greet(struct conn *c) {
    uint8_t out[HELLO_BYTES_MAX + 512], *at = out;
    int which = (int)(c - conns) % hello_count;
    memcpy(out, hellos[which].data, hellos[which].size);
    at += hellos[which].size;
    if (c->epoch[0] != 0) {
        out[0]++; /* one more pair in a map of at most 15 */
        at = put_resume(at, board_of(c), c->epoch, c->seq);
    }
    enter(c, GREETING);
    say(c, BINARY, out, (size_t)(at - out));
}

static void subscribe(struct conn *c) {
    uint8_t out[256];
    enter(c, JOINING);
    say(c, BINARY, out, (size_t)(put_subscribe(out, board_of(c)) - out));
}

/* A connection that was lost has what its board held when it was back. */
static void recover(struct conn *c, uint64_t now) {
    if (c->recovering && c->seq >= c->goal) {
        add(&histograms[RECOVERY], (now - c->lost_ns) / 1000);
        c->recovering = 0;
    }
}

static void answer_until(void) {
    if (until > 0 && deliveries[HEALTHY] >= until) {
        printf("until %" PRIu64 " %" PRIu64 "\n", until, now_ns());
        fflush(stdout);
        until = 0;
    }
}

/* Takes a body: with a stamp it is a delivery. */
static void take_body(struct conn *c, const uint8_t *body, size_t len, uint64_t now) {
    if (len < STAMP_BYTES || body[0] != '@')
        return;
    uint64_t sent = 0;
    for (int i = 1; i < STAMP_BYTES; i++)
        sent = sent * 10 + (uint64_t)(body[i] - '0');
    add(&histograms[c->slow ? SLOW : HEALTHY], now > sent ? (now - sent) / 1000 : 0);
    deliveries[c->slow]++;
}

/* Takes the place where a subscription begins, from `ok` or from an entry of `welcome.boards`. */
static void begin(struct conn *c, const struct fields *f, uint64_t now) {
    epochs += c->epoch[0] != 0 && !same(f->epoch, c->epoch);
    snprintf(c->epoch, sizeof c->epoch, "%.*s", (int)f->epoch.len, (const char *)f->epoch.at);
    if (f->first != NONE) {
        gaps += f->last >= f->first ? f->last - f->first + 1 : 0;
        c->seq = f->last;
    }
    if (c->recovering) {
        c->goal = f->head;
        resumed++;
    } else {
        c->seq = f->head;
    }
    enter(c, LIVE);
    recover(c, now);
}

static void take_message(struct conn *c, const uint8_t *payload, size_t size, uint64_t place, uint64_t now) {
    struct fields f;
    if (hello_count == 0) {
        take_body(c, payload, size, now);
        return;
    }
    if (!read_fields(&f, payload, size)) {
        fprintf(stderr, "swarm: a frame that is no map in MessagePack\n");
        exit(1);
    }
    if (same(f.type, "welcome")) {
        if (c->epoch[0] == 0)
            subscribe(c);
        else if (f.head != NONE)
            begin(c, &f, now);
        else
            lose(c);
    } else if (same(f.type, "ok")) {
        if (c->state == JOINING)
            begin(c, &f, now);
    } else if (same(f.type, "error")) {
        errors++;
        c->after_ms = f.retry_after_ms == NONE ? 0 : f.retry_after_ms;
        if (c->state != LIVE)
            lose(c);
    } else if (same(f.type, "bye")) {
        c->after_ms = f.after_ms == NONE ? 0 : f.after_ms;
    } else {
        if (f.seq != NONE && c->state == LIVE) {
            holes += f.seq > c->seq + 1 ? f.seq - c->seq - 1 : 0;
            repeats += f.seq <= c->seq;
            c->seq = f.seq > c->seq ? f.seq : c->seq;
            recover(c, now);
        }
        if (f.post.at != NULL)
            look_out((int)(c - conns), f.post, f.body.at != NULL, place, now);
        if (f.body.at != NULL)
            take_body(c, f.body.at, f.body.len, now);
    }
}

/* Takes one whole frame; false if the connection is no more. */
static int take_frame(struct conn *c, int opcode, const uint8_t *payload, size_t size, uint64_t place, uint64_t now) {
    int fd = c->fd;
    frames++;
    if (opcode == PING) {
        say(c, PONG, payload, size);
    } else if (opcode == CLOSE) {
        int code = size >= 2 ? payload[0] << 8 | payload[1] : 0;
        lose(c);
        if (code >= 4500 && code < 5000)
            enter(c, TURNED_AWAY);
    } else if (opcode < CONTROL) {
        take_message(c, payload, size, place, now);
    }
    return c->fd == fd;
}

/* Looks for the end of the handshake's answer; returns how many bytes it takes, 0 if it is not whole or the connection was given up. */
static size_t take_response(struct conn *c, uint8_t *data, size_t len) {
    uint8_t *end = memmem(data, len, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    if (memcmp(data, "HTTP/1.1 101", 12) == 0) {
        if (hello_count > 0)
            greet(c);
        else
            enter(c, LIVE);
        return (size_t)(end + 4 - data);
    }
    refused++;
    const char *after = memmem(data, (size_t)(end - data), "\r\nRetry-After: ", 15);
    c->after_ms = after != NULL ? strtoull(after + 15, NULL, 10) * 1000 : 0;
    lose(c);
    return 0;
}

static void read_some(struct conn *c) {
    static uint8_t buffer[FRAME_BYTES_MAX + READ_BYTES];
    if (c->rest_len > 0)
        memcpy(buffer, c->rest, c->rest_len);
    ssize_t n = recv(c->fd, buffer + c->rest_len, READ_BYTES, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        lose(c);
        return;
    }
    uint64_t now = now_ns();
    int fd = c->fd;
    size_t len = c->rest_len + (size_t)n, at = 0;
    bytes += (uint64_t)n;
    c->taken += (uint64_t)n;
    reads++;
    if (c->state == SHAKING)
        at = take_response(c, buffer, len);
    while (c->fd == fd && c->state > SHAKING) {
        uint64_t size;
        size_t head = server_frame(buffer + at, len - at, &size), next = at + head + (size_t)size;
        if (head > 0 && size > FRAME_BYTES_MAX - 10) {
            fprintf(stderr, "swarm: a frame of %" PRIu64 " bytes\n", size);
            exit(1);
        }
        if (head == 0 || next > len || !take_frame(c, buffer[at] & 0x0f, buffer + at + head, (size_t)size, c->taken - (len - next), now))
            break;
        at = next;
    }
    answer_until();
    if (c->fd != fd)
        return;
    if (len - at > c->rest_len && (c->rest = realloc(c->rest, len - at)) == NULL)
        fail("realloc");
    c->rest_len = len - at;
    if (c->rest_len > 0)
        memcpy(c->rest, buffer + at, c->rest_len);
}

static void begin_connecting(struct conn *c) {
    struct sockaddr_in to = loopback(port);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        fail("socket");
    enter(c, CONNECTING);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)
        lose(c);
    else
        watch(c, EPOLL_CTL_ADD, EPOLLOUT);
}

static void on_event(struct conn *c) {
    if (c->fd < 0)
        return; /* lost by an earlier event of the same turn */
    if (c->state != CONNECTING) {
        read_some(c);
        return;
    }
    int error = 0;
    socklen_t len = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0 || send(c->fd, request, strlen(request), MSG_NOSIGNAL) < 0) {
        lose(c);
        return;
    }
    enter(c, SHAKING);
    watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

static void connect_those_due(void) {
    uint64_t now = now_ns();
    for (int i = 0; i < conn_count && waiting > 0 && on_the_way < pace; i++)
        if (conns[i].state == WAITING && conns[i].due_ns <= now)
            begin_connecting(&conns[i]);
}

static void stall(int per_mille) {
    for (int i = 0; i < conn_count; i++) {
        struct conn *c = &conns[i];
        c->slow = (i + 1) * per_mille / 1000 > i * per_mille / 1000;
        if (c->slow && c->state == LIVE) {
            epoll_ctl(poller, EPOLL_CTL_DEL, c->fd, NULL); /* no events at all: not even that it was reset */
            c->stalled = 1;
        }
    }
}

static void unstall(void) {
    for (int i = 0; i < conn_count; i++)
        if (conns[i].stalled) {
            conns[i].stalled = 0;
            watch(&conns[i], EPOLL_CTL_ADD, EPOLLIN);
        }
}

static int is_slow(int i) { return conns[i].slow; }

static void mark(uint64_t *places) {
    for (int i = 0; i < conn_count; i++) {
        int unread = 0;
        if (conns[i].fd >= 0)
            ioctl(conns[i].fd, FIONREAD, &unread);
        places[i] = conns[i].taken + (uint64_t)unread;
    }
}

static void print_boards(void) {
    printf("boards");
    for (int board = 0; board < board_count; board++) {
        uint64_t least = UINT64_MAX;
        for (int i = board; i < conn_count; i += board_count)
            least = conns[i].seq < least ? conns[i].seq : least;
        printf(" %" PRIu64, least);
    }
    printf("\n");
}

static void print_count(void) {
    printf("count live=%d deliveries=%" PRIu64 " slow_deliveries=%" PRIu64 " frames=%" PRIu64 " bytes=%" PRIu64 " reads=%" PRIu64
           " holes=%" PRIu64 " repeats=%" PRIu64 " gaps=%" PRIu64 " epochs=%" PRIu64 " lost=%" PRIu64 " refused=%" PRIu64
           " errors=%" PRIu64 " resumed=%" PRIu64 " recovered=%" PRIu64 " cpu_us=%" PRIu64 "\n",
           live, deliveries[HEALTHY], deliveries[SLOW], frames, bytes, reads, holes, repeats, gaps, epochs, lost, refused, errors,
           resumed, histograms[RECOVERY].n, cpu_us());
}

static void obey_line(const char *line) {
    int number;
    uint64_t since_ns;
    if (strcmp(line, "count") == 0) {
        print_count();
    } else if (sscanf(line, "until %" SCNu64, &until) == 1) {
        answer_until();
    } else if (sscanf(line, "histogram %d", &number) == 1 && number >= 0 && number < HISTOGRAMS) {
        print_histogram(&histograms[number]);
    } else if (strcmp(line, "boards") == 0) {
        print_boards();
    } else if (sscanf(line, "stall %d", &number) == 1) {
        stall(number);
    } else if (strcmp(line, "unstall") == 0) {
        unstall();
    } else if (strcmp(line, "drop") == 0) {
        pace = conn_count;
        for (int i = 0; i < conn_count; i++)
            if (conns[i].state == LIVE)
                lose(&conns[i]);
    } else if (strncmp(line, "track ", 6) == 0) {
        printf("track %d\n", track(line + 6, conn_count));
    } else if (sscanf(line, "mark %d", &number) == 1 && number >= 0 && number < tracked_count) {
        mark(tracked[number].mark);
    } else if (sscanf(line, "tracked %d %" SCNu64, &number, &since_ns) == 2 && number >= 0 && number < tracked_count) {
        print_tracked(number, since_ns, conn_count, is_slow);
    } else {
        fprintf(stderr, "swarm: cannot obey: %s\n", line);
        exit(2);
    }
    fflush(stdout);
}

/* Obeys what stands on stdin; returns 0 at its end. */
static int obey(void) {
    static char line[256];
    static size_t len;
    ssize_t n = read(STDIN_FILENO, line + len, sizeof line - 1 - len);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    len += (size_t)n;
    line[len] = 0;
    char *at = line, *stop;
    while ((stop = strchr(at, '\n')) != NULL) {
        *stop = 0;
        obey_line(at);
        at = stop + 1;
    }
    len -= (size_t)(at - line);
    memmove(line, at, len);
    return n > 0 && len < sizeof line - 1;
}

static void read_hellos(const char *name) {
    char line[2 * HELLO_BYTES_MAX + 2];
    FILE *f = fopen(name, "r");
    hellos = calloc(HELLOS_MAX, sizeof *hellos);
    if (f == NULL || hellos == NULL)
        fail(name);
    while (hello_count < HELLOS_MAX && fgets(line, sizeof line, f) != NULL) {
        hellos[hello_count].size = from_hex(line, hellos[hello_count].data, HELLO_BYTES_MAX);
        hello_count++;
    }
    fclose(f);
}

int main(int argc, char **argv) {
    int option, life_s = 3600;
    while ((option = getopt(argc, argv, "H:B:n:t:")) != -1) {
        switch (option) {
        case 'H': read_hellos(optarg); break;
        case 'B': prefix = optarg; break;
        case 'n': board_count = atoi(optarg); break;
        case 't': life_s = atoi(optarg); break;
        default: return 2;
        }
    }
    if (argc - optind != 2 || board_count < 1) {
        fprintf(stderr, "usage: swarm [-H hellos] [-B prefix] [-n boards] [-t seconds] PORT N\n");
        return 2;
    }
    port = atoi(argv[optind]);
    conn_count = waiting = atoi(argv[optind + 1]);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a harness that dies leaves nobody behind */
    write_request(request, hello_count > 0 ? "/v1/ws" : "/", port, hello_count > 0 ? "parley.v1.msgpack" : "");
    poller = epoll_create1(EPOLL_CLOEXEC);
    conns = calloc((size_t)conn_count, sizeof *conns);
    if (conns == NULL)
        fail("calloc");
    for (int i = 0; i < conn_count; i++)
        conns[i].fd = -1;
    fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
    struct epoll_event commands = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &commands) < 0)
        fail("stdin must be a pipe or a terminal");

    static struct epoll_event events[EVENTS_MAX];
    uint64_t end_ns = now_ns() + (uint64_t)life_s * 1000000000u;
    int ready = 0, going = 1;
    while (going && now_ns() < end_ns) {
        if (waiting > 0)
            connect_those_due();
        if (!ready && live == conn_count) {
            ready = 1;
            printf("READY %d\n", conn_count);
            fflush(stdout);
        }
        int n = epoll_wait(poller, events, EVENTS_MAX, waiting > 0 ? SCAN_MS : 1000);
        if (n < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr != NULL)
                on_event(events[i].data.ptr);
            else
                going = obey();
        }
    }
    print_count();
    return 0;
}
