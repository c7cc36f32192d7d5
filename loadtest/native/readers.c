/* N WebSocket readers in one cheap process, for any server: the receiving end where Parley is measured beside peers.
 *
 * Usage: readers [-p path] [-s subprotocol] [--open file] [-m marker] [-k prelude] [-b bytes] [-t seconds] PORT N
 *   -p  request path (/)
 *   -s  subprotocol to ask for (none)
 *   -o, --open  file of messages that each reader sends after its handshake, in order, one a line: `text HEX` or `binary HEX`; a line
 *       that begins with `wait ` is held back until a frame has come since the line before it (or since the handshake). The first
 *       `%d` of a text is replaced by the reader's number, from 0
 *   -m  a delivery is an occurrence of this text within payloads: for servers that put several messages into one frame. Its first
 *       byte must not occur in it again
 *   -k  frames that each reader must have got before READY is printed (0)
 *   -b  without -m, least payload of a frame that counts as a delivery (1); what is smaller is counted as a frame only
 *   -t  greatest life of the process in seconds (600)
 *
 * Prints "READY N" when every reader is connected, has sent its opening and has its prelude, then obeys lines on stdin:
 *   count      -> "count deliveries=D frames=F bytes=B reads=R least=L most=M closed=C cpu_us=U"
 *   until D    -> "until D T" once D deliveries have arrived; T is CLOCK_MONOTONIC in nanoseconds
 * At the end of stdin, or of its life, it prints a last count and exits. Totals run from the start of the process.
 *
 * It looks at frame headers only (and for the marker), answers pings, and does not check the handshake's key: what it costs must stay far
 * below what the server under test costs.
 */
#define PROGRAM "readers"
#include "ws.h"
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { OPENING_MAX = 16, OPENING_BYTES_MAX = 65535, RESPONSE_BYTES_MAX = 1 << 14, EVENTS_MAX = 512, HANDSHAKE_WITHIN_S = 20 };

/* A message of the opening. `number` is where the reader's number replaces two bytes of it, or `size` for nowhere. */
struct line {
    int opcode, wait;
    uint8_t *payload;
    size_t size, number;
};

struct reader {
    int fd;
    uint8_t head[10]; /* a server's frame header: 2, 4 or 10 bytes, never masked */
    uint8_t head_len;
    uint8_t control[CONTROL_BYTES_MAX]; /* payload of a control frame: a ping's goes back in the pong */
    uint8_t opened;  /* lines of the opening that were sent */
    uint8_t heard;   /* whether a frame came since the last of them */
    uint8_t ready;
    uint8_t matched; /* bytes of the marker that the payload so far ends with */
    uint64_t size; /* payload of the frame that is being read */
    uint64_t left; /* bytes of it still to come */
    uint64_t frames;
    uint64_t deliveries;
};

static struct reader *readers;
static int reader_count;
static struct line opening[OPENING_MAX];
static int opening_count;
static const char *marker = "";
static size_t marker_len;
static uint64_t bytes_min = 1, prelude;
static uint64_t deliveries, frames, bytes, reads, closed;
static int waiting; /* readers that still miss a part of their opening or of their prelude */
static uint64_t until;

static void send_all(struct reader *r, const uint8_t *data, size_t size) {
    if (send(r->fd, data, size, MSG_NOSIGNAL) != (ssize_t)size && errno != EPIPE && errno != ECONNRESET)
        fail("send");
}

static void send_line(struct reader *r, const struct line *l) {
    static uint8_t payload[OPENING_BYTES_MAX], frame[OPENING_BYTES_MAX + FRAME_HEAD_BYTES_MAX];
    size_t size = l->number;
    memcpy(payload, l->payload, size);
    if (size < l->size) {
        size += (size_t)sprintf((char *)payload + size, "%d", (int)(r - readers));
        memcpy(payload + size, l->payload + l->number + 2, l->size - l->number - 2);
        size += l->size - l->number - 2;
    }
    send_all(r, frame, client_frame(frame, l->opcode, payload, size));
}

/* Sends what is due of the opening, and says once when this reader is ready. */
static void advance(struct reader *r) {
    while (r->opened < opening_count && (r->heard || !opening[r->opened].wait)) {
        send_line(r, &opening[r->opened++]);
        r->heard = 0;
    }
    if (!r->ready && r->opened == opening_count && r->frames >= prelude) {
        r->ready = 1;
        waiting--;
    }
}

static void delivered(struct reader *r) {
    r->deliveries++;
    deliveries++;
}

/* Counts the marker in a piece of payload; an occurrence may have begun in an earlier piece. */
static void find_marker(struct reader *r, const uint8_t *data, size_t size) {
    const uint8_t *end = data + size;
    while (data < end) {
        if (r->matched == 0) {
            data = memchr(data, marker[0], (size_t)(end - data));
            if (data == NULL)
                return;
        }
        if (*data != (uint8_t)marker[r->matched]) {
            r->matched = 0; /* this byte may be a first one, so it is looked at again */
            continue;
        }
        data++;
        if (++r->matched == marker_len) {
            r->matched = 0;
            delivered(r);
        }
    }
}

static void frame_done(struct reader *r) {
    int opcode = r->head[0] & 0x0f;
    r->head_len = 0;
    r->frames++;
    frames++;
    if (opcode == PING && r->size <= CONTROL_BYTES_MAX) {
        uint8_t pong[CONTROL_BYTES_MAX + FRAME_HEAD_BYTES_MAX];
        send_all(r, pong, client_frame(pong, PONG, r->control, r->size));
    }
    if (opcode < CONTROL && marker_len == 0 && r->size >= bytes_min)
        delivered(r);
    r->heard = 1;
    if (!r->ready)
        advance(r);
}

static void consume(struct reader *r, const uint8_t *data, size_t len) {
    while (len > 0) {
        if (r->left > 0) {
            size_t take = len < r->left ? len : (size_t)r->left;
            if ((r->head[0] & 0x0f) >= CONTROL && r->size <= CONTROL_BYTES_MAX)
                memcpy(r->control + (r->size - r->left), data, take);
            else if (marker_len > 0)
                find_marker(r, data, take);
            r->left -= take;
            data += take;
            len -= take;
            if (r->left == 0)
                frame_done(r);
            continue;
        }
        r->head[r->head_len++] = *data++;
        len--;
        if (r->head_len < 2)
            continue;
        int short_len = r->head[1] & 0x7f;
        int extra = short_len == 126 ? 2 : short_len == 127 ? 8 : 0;
        if (r->head_len < 2 + extra)
            continue;
        uint64_t size = extra ? 0 : (uint64_t)short_len;
        for (int i = 0; i < extra; i++)
            size = size << 8 | r->head[2 + i];
        r->size = r->left = size;
        if (size == 0)
            frame_done(r);
    }
}

/* Connects one reader, blocking: the next one begins when this one's handshake is done. */
static void open_reader(struct reader *r, int port, const char *request) {
    static char response[RESPONSE_BYTES_MAX];
    struct sockaddr_in to = loopback(port);
    struct timeval within = {.tv_sec = HANDSHAKE_WITHIN_S};
    r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (r->fd < 0)
        fail("socket");
    setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &within, sizeof within);
    if (connect(r->fd, (struct sockaddr *)&to, sizeof to) < 0)
        fail("connect");
    if (send(r->fd, request, strlen(request), MSG_NOSIGNAL) < 0)
        fail("send request");
    size_t got = 0;
    char *end = NULL;
    while (end == NULL) {
        ssize_t n = got < sizeof response - 1 ? recv(r->fd, response + got, sizeof response - 1 - got, 0) : 0;
        if (n <= 0)
            fail("handshake ended early");
        got += (size_t)n;
        response[got] = 0;
        end = strstr(response, "\r\n\r\n");
    }
    if (strncmp(response, "HTTP/1.1 101", 12) != 0) {
        fprintf(stderr, "readers: handshake refused: %.200s\n", response);
        exit(1);
    }
    size_t head = (size_t)(end + 4 - response);
    consume(r, (uint8_t *)response + head, got - head);
    advance(r);
}

static void read_opening(const char *name) {
    static char line[2 * OPENING_BYTES_MAX + 32];
    static uint8_t payload[OPENING_BYTES_MAX];
    FILE *f = fopen(name, "r");
    if (f == NULL)
        fail(name);
    while (fgets(line, sizeof line, f) != NULL) {
        char *at = line;
        struct line *l = &opening[opening_count];
        if (opening_count++ == OPENING_MAX) {
            fprintf(stderr, "readers: more than %d lines in %s\n", OPENING_MAX, name);
            exit(2);
        }
        l->wait = strncmp(at, "wait ", 5) == 0;
        at += l->wait ? 5 : 0;
        l->opcode = strncmp(at, "text ", 5) == 0 ? TEXT : strncmp(at, "binary ", 7) == 0 ? BINARY : 0;
        if (l->opcode == 0) {
            fprintf(stderr, "readers: neither text nor binary: %s", line);
            exit(2);
        }
        l->size = from_hex(at + (l->opcode == TEXT ? 5 : 7), payload, OPENING_BYTES_MAX - 16);
        l->payload = malloc(l->size + 1);
        if (l->payload == NULL)
            fail("malloc");
        memcpy(l->payload, payload, l->size);
        const uint8_t *number = l->opcode == TEXT ? memmem(payload, l->size, "%d", 2) : NULL;
        l->number = number != NULL ? (size_t)(number - payload) : l->size;
    }
    fclose(f);
}

static void print_count(void) {
    uint64_t least = UINT64_MAX, most = 0;
    for (int i = 0; i < reader_count; i++) {
        least = readers[i].deliveries < least ? readers[i].deliveries : least;
        most = readers[i].deliveries > most ? readers[i].deliveries : most;
    }
    printf("count deliveries=%" PRIu64 " frames=%" PRIu64 " bytes=%" PRIu64 " reads=%" PRIu64 " least=%" PRIu64 " most=%" PRIu64
           " closed=%" PRIu64 " cpu_us=%" PRIu64 "\n",
           deliveries, frames, bytes, reads, least, most, closed, cpu_us());
    fflush(stdout);
}

static void answer_until(void) {
    if (until > 0 && deliveries >= until) {
        printf("until %" PRIu64 " %" PRIu64 "\n", until, now_ns());
        fflush(stdout);
        until = 0;
    }
}

/* Obeys what stands on stdin; returns 0 at its end. */
static int obey(void) {
    static char line[256];
    static size_t len;
    ssize_t n = read(STDIN_FILENO, line + len, sizeof line - 1 - len);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return 0;
    len += (size_t)n;
    line[len] = 0;
    char *at = line, *stop;
    while ((stop = strchr(at, '\n')) != NULL) {
        *stop = 0;
        if (strcmp(at, "count") == 0) {
            print_count();
        } else if (sscanf(at, "until %" SCNu64, &until) == 1) {
            answer_until();
        } else {
            fprintf(stderr, "readers: no such command: %s\n", at);
            exit(2);
        }
        at = stop + 1;
    }
    len -= (size_t)(at - line);
    memmove(line, at, len);
    return len < sizeof line - 1;
}

static void read_some(struct reader *r, int poller) {
    static uint8_t buffer[1 << 18];
    ssize_t n = recv(r->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        if (!r->ready) {
            fprintf(stderr, "readers: the server hung up on a reader that was not ready\n");
            exit(1);
        }
        epoll_ctl(poller, EPOLL_CTL_DEL, r->fd, NULL);
        close(r->fd);
        closed++;
        return;
    }
    bytes += (uint64_t)n;
    reads++;
    consume(r, buffer, (size_t)n);
    answer_until();
}

/* Waits for something to happen, at most so long, and does what follows; returns 0 when stdin has ended. */
static int turn(int poller, int within_ms) {
    static struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(poller, events, EVENTS_MAX, within_ms);
    if (n < 0 && errno != EINTR)
        fail("epoll_wait");
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr != NULL)
            read_some(events[i].data.ptr, poller);
        else if (!obey())
            return 0;
    }
    return 1;
}

int main(int argc, char **argv) {
    static const struct option LONG[] = {{"open", required_argument, NULL, 'o'}, {0}};
    const char *path = "/", *subprotocol = "";
    int option, life_s = 600;
    while ((option = getopt_long(argc, argv, "p:s:o:m:k:b:t:", LONG, NULL)) != -1) {
        switch (option) {
        case 'p': path = optarg; break;
        case 's': subprotocol = optarg; break;
        case 'o': read_opening(optarg); break;
        case 'm': marker = optarg; marker_len = strlen(optarg); break;
        case 'k': prelude = strtoull(optarg, NULL, 10); break;
        case 'b': bytes_min = strtoull(optarg, NULL, 10); break;
        case 't': life_s = atoi(optarg); break;
        default: return 2;
        }
    }
    if (argc - optind != 2) {
        fprintf(stderr, "usage: readers [-p path] [-s subprotocol] [--open file] [-m marker] [-k prelude] [-b bytes] [-t seconds] PORT N\n");
        return 2;
    }
    if (marker_len > 100 || (marker_len > 1 && strchr(marker + 1, marker[0]) != NULL)) {
        fprintf(stderr, "readers: the marker is too long, or its first byte occurs in it again\n");
        return 2;
    }
    int port = atoi(argv[optind]);
    reader_count = atoi(argv[optind + 1]);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a harness that dies leaves nobody behind */
    readers = calloc((size_t)reader_count, sizeof *readers);
    if (readers == NULL)
        fail("calloc");
    char request[REQUEST_BYTES_MAX];
    write_request(request, path, port, subprotocol);

    int poller = epoll_create1(EPOLL_CLOEXEC);
    waiting = reader_count;
    for (int i = 0; i < reader_count; i++) {
        open_reader(&readers[i], port, request);
        struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = &readers[i]};
        epoll_ctl(poller, EPOLL_CTL_ADD, readers[i].fd, &wanted);
        turn(poller, 0); /* a server may hang up on those whose opening waits for the last handshake */
    }
    fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
    struct epoll_event commands = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &commands) < 0)
        fail("stdin must be a pipe or a terminal");

    uint64_t end_ns = now_ns() + (uint64_t)life_s * 1000000000u;
    int ready = 0, going = 1;
    while (going && now_ns() < end_ns) {
        if (!ready && waiting == 0) {
            ready = 1;
            printf("READY %d\n", reader_count);
            fflush(stdout);
        }
        going = turn(poller, 1000);
    }
    print_count();
    return 0;
}
