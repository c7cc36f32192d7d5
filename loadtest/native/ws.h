/* What readers.c and swarm.c share: clocks, a way to fail, and the client's half of WebSocket. PROGRAM is the name in messages. */
#ifndef WS_H
#define WS_H
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { TEXT = 1, BINARY = 2, CONTROL = 8, CLOSE = 8, PING = 9, PONG = 10, CONTROL_BYTES_MAX = 125 };
enum { FRAME_HEAD_BYTES_MAX = 14, REQUEST_BYTES_MAX = 1024 };

static inline void fail(const char *what) {
    fprintf(stderr, PROGRAM ": %s: %s\n", what, strerror(errno));
    exit(1);
}

static inline uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t cpu_us(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000u + (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static inline struct sockaddr_in loopback(int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return at;
}

static inline void write_request(char out[REQUEST_BYTES_MAX], const char *path, int port, const char *subprotocol) {
    snprintf(out, REQUEST_BYTES_MAX,
             "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s%s%s\r\n",
             path, port, *subprotocol ? "Sec-WebSocket-Protocol: " : "", subprotocol, *subprotocol ? "\r\n" : "");
}

/* Writes a client's frame of at most 65,535 bytes with the mask 0, which leaves the payload as it is (RFC 6455, 5.3, asks only that the
 * bit be set and the key be sent); returns its length. */
static inline size_t client_frame(uint8_t *out, int opcode, const uint8_t *payload, size_t size) {
    uint8_t *at = out;
    *at++ = (uint8_t)(0x80 | opcode);
    if (size < 126) {
        *at++ = (uint8_t)(0x80 | size);
    } else {
        *at++ = 0x80 | 126;
        *at++ = (uint8_t)(size >> 8);
        *at++ = (uint8_t)size;
    }
    memset(at, 0, 4);
    memcpy(at + 4, payload, size);
    return (size_t)(at + 4 - out) + size;
}

/* Reads the head of a server's frame, which is never masked: returns its length and the payload's `size`, or 0 while it is cut short. */
static inline size_t server_frame(const uint8_t *data, size_t len, uint64_t *size) {
    *size = 0;
    if (len < 2)
        return 0;
    uint64_t first = data[1] & 0x7f;
    size_t head = first == 126 ? 4 : first == 127 ? 10 : 2;
    if (len < head)
        return 0;
    *size = head == 2 ? first : 0;
    for (size_t i = 2; i < head; i++)
        *size = *size << 8 | data[i];
    return head;
}

/* Reads hex digits up to the end of the line; returns how many bytes they are, at most `max`. */
static inline size_t from_hex(const char *hex, uint8_t *out, size_t max) {
    size_t size = 0;
    for (unsigned byte; size < max && sscanf(hex, "%2x", &byte) == 1; hex += 2)
        out[size++] = (uint8_t)byte;
    return size;
}

#endif
