/* The floor: what the kernel alone takes to hand a WebSocket frame to N readers, one blocking send() per reader and round.
 *
 * Usage: floor READERS PAYLOAD_BYTES
 *
 * Prints "listening PORT", accepts READERS handshakes (their key is the one that readers.c sends), prints "ready", then obeys stdin:
 *   send ROUNDS JOINED -> writes JOINED frames in one send() to each reader, ROUNDS times over, then prints
 *                         "sent D cpu_us_per_delivery=X wall_us_per_delivery=Y"
 * Each payload of at least 21 bytes begins with the stamp that swarm.c reads: `@` and the time just before the round's first send().
 * Exits at the end of stdin.
 */
#define PROGRAM "floor"
#include "ws.h"
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAYLOAD_BYTES_MAX = 65535, JOINED_MAX = 64, STAMP_BYTES = 21 };

static const char SWITCHING[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static int accept_reader(int listener) {
    char request[4096];
    size_t got = 0;
    int one = 1, fd = accept(listener, NULL, NULL);
    if (fd < 0)
        fail("accept");
    /* As asyncio does: without it, Nagle's algorithm would join frames here and make the floor too low. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    do {
        ssize_t n = got < sizeof request - 1 ? recv(fd, request + got, sizeof request - 1 - got, 0) : 0;
        if (n <= 0)
            fail("handshake ended early");
        got += (size_t)n;
        request[got] = 0;
    } while (strstr(request, "\r\n\r\n") == NULL);
    if (send(fd, SWITCHING, sizeof SWITCHING - 1, MSG_NOSIGNAL) < 0)
        fail("send handshake");
    return fd;
}

/* Writes the time into each of `joined` frames. */
static void stamp(uint8_t *frames, size_t payload, size_t len, int joined) {
    char now[STAMP_BYTES + 1];
    snprintf(now, sizeof now, "@%020" PRIu64, now_ns());
    for (int i = 1; payload >= STAMP_BYTES && i <= joined; i++)
        memcpy(frames + len / (size_t)joined * (size_t)i - payload, now, STAMP_BYTES);
}

/* Fills out with `joined` unmasked binary frames; returns their length. */
static size_t make_frames(uint8_t *out, size_t payload, int joined) {
    uint8_t *at = out;
    for (int i = 0; i < joined; i++) {
        *at++ = 0x82;
        if (payload < 126) {
            *at++ = (uint8_t)payload;
        } else {
            *at++ = 126;
            *at++ = (uint8_t)(payload >> 8);
            *at++ = (uint8_t)payload;
        }
        memset(at, 'x', payload);
        at += payload;
    }
    return (size_t)(at - out);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: floor READERS PAYLOAD_BYTES\n");
        return 2;
    }
    int count = atoi(argv[1]);
    size_t payload = (size_t)atoi(argv[2]);
    if (count < 1 || payload < 1 || payload > PAYLOAD_BYTES_MAX) {
        fprintf(stderr, "floor: at least one reader, 1 to %d bytes\n", PAYLOAD_BYTES_MAX);
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a harness that dies leaves nobody behind */
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = loopback(0);
    socklen_t at_len = sizeof at;
    if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 1024) < 0)
        fail("listen");
    getsockname(listener, (struct sockaddr *)&at, &at_len);
    printf("listening %d\n", ntohs(at.sin_port));
    fflush(stdout);
    int *fds = calloc((size_t)count, sizeof *fds);
    uint8_t *frames = malloc((payload + 4) * JOINED_MAX);
    if (fds == NULL || frames == NULL)
        fail("malloc");
    for (int i = 0; i < count; i++)
        fds[i] = accept_reader(listener);
    printf("ready\n");
    fflush(stdout);

    char line[128];
    while (fgets(line, sizeof line, stdin) != NULL) {
        int rounds, joined;
        if (sscanf(line, "send %d %d", &rounds, &joined) != 2 || joined < 1 || joined > JOINED_MAX) {
            fprintf(stderr, "floor: cannot obey: %s", line);
            return 2;
        }
        size_t len = make_frames(frames, payload, joined);
        uint64_t cpu = cpu_us(), began = now_ns();
        for (int round = 0; round < rounds; round++) {
            stamp(frames, payload, len, joined);
            for (int i = 0; i < count; i++)
                if (send(fds[i], frames, len, MSG_NOSIGNAL) != (ssize_t)len)
                    fail("send");
        }
        cpu = cpu_us() - cpu;
        double wall = (double)(now_ns() - began) / 1e3;
        double sent = (double)count * rounds * joined;
        printf("sent %.0f cpu_us_per_delivery=%.3f wall_us_per_delivery=%.3f\n", sent, (double)cpu / sent, wall / sent);
        fflush(stdout);
    }
    return 0;
}
