/* Wire v1 in MessagePack, as much of it as a follower of boards needs: the fields that swarm.c looks at, and the frames it sends. */
#ifndef FRAMES_H
#define FRAMES_H
#include <stdint.h>
#include <string.h>

#define NONE UINT64_MAX

struct text {
    const uint8_t *at; /* not ended by a NUL */
    size_t len;
};

/* A frame's fields wherever they stand in it: no name of these means two things in one frame of SPEC.md. Absent: NONE, or no `at`. */
struct fields {
    struct text type, post, body, epoch;
    uint64_t seq, head, first, last, after_ms, retry_after_ms;
};

static inline int same(struct text t, const char *name) {
    return t.at != NULL && t.len == strlen(name) && memcmp(t.at, name, t.len) == 0;
}

static inline void set_text(struct fields *f, struct text key, struct text value) {
    if (same(key, "type"))
        f->type = value;
    else if (same(key, "post"))
        f->post = value;
    else if (same(key, "body"))
        f->body = value;
    else if (same(key, "epoch"))
        f->epoch = value;
}

static inline void set_number(struct fields *f, struct text key, uint64_t value) {
    if (same(key, "seq"))
        f->seq = value;
    else if (same(key, "head"))
        f->head = value;
    else if (same(key, "first"))
        f->first = value;
    else if (same(key, "last"))
        f->last = value;
    else if (same(key, "after_ms"))
        f->after_ms = value;
    else if (same(key, "retry_after_ms"))
        f->retry_after_ms = value;
}

/* Reads one value, which stands under `key`, and notes it; a text without key is put into `read`, where that is given. Returns the place
 * behind it, or NULL if it is cut short or of a kind that a server's frames do not hold. */
static inline const uint8_t *read_value(struct fields *f, struct text key, const uint8_t *at, const uint8_t *end, struct text *read) {
    enum { NUMBER, STRING, LIST, MAP } kind;
    uint64_t n = 0;
    int bytes = 0; /* of a big-endian number behind the tag */
    if (at == NULL || at >= end)
        return NULL;
    uint8_t tag = *at++;
    if (tag < 0x80) {
        kind = NUMBER, n = tag;
    } else if (tag < 0x90) {
        kind = MAP, n = tag & 0x0f;
    } else if (tag < 0xa0) {
        kind = LIST, n = tag & 0x0f;
    } else if (tag < 0xc0) {
        kind = STRING, n = tag & 0x1f;
    } else {
        switch (tag) {
        case 0xc0: case 0xc2: case 0xc3: return at; /* null, false, true */
        case 0xcc: case 0xcd: case 0xce: case 0xcf: kind = NUMBER, bytes = 1 << (tag - 0xcc); break;
        case 0xd9: case 0xda: case 0xdb: kind = STRING, bytes = 1 << (tag - 0xd9); break;
        case 0xdc: case 0xdd: kind = LIST, bytes = 2 << (tag - 0xdc); break;
        case 0xde: case 0xdf: kind = MAP, bytes = 2 << (tag - 0xde); break;
        default: return NULL;
        }
    }
    if (end - at < bytes)
        return NULL;
    for (int i = 0; i < bytes; i++)
        n = n << 8 | *at++;
    struct text none = {0}, name = {0};
    switch (kind) {
    case NUMBER:
        set_number(f, key, n);
        return at;
    case STRING:
        if ((uint64_t)(end - at) < n)
            return NULL;
        struct text value = {at, (size_t)n};
        if (read != NULL)
            *read = value;
        else
            set_text(f, key, value);
        return at + n;
    case LIST:
        for (; n > 0 && at != NULL; n--)
            at = read_value(f, none, at, end, NULL);
        return at;
    case MAP:
        for (; n > 0 && at != NULL; n--) {
            name = none;
            at = read_value(f, none, at, end, &name);
            at = read_value(f, name, at, end, NULL);
        }
        return at;
    }
    return NULL;
}

/* Reads a frame's fields; false if it is no map, or not a whole one. */
static inline int read_fields(struct fields *f, const uint8_t *payload, size_t size) {
    struct text none = {0};
    memset(f, 0, sizeof *f);
    f->seq = f->head = f->first = f->last = f->after_ms = f->retry_after_ms = NONE;
    return read_value(f, none, payload, payload + size, NULL) == payload + size && f->type.at != NULL;
}

/* Writes a text of at most 255 bytes; returns the place behind it. */
static inline uint8_t *put_text(uint8_t *at, const char *text) {
    size_t len = strlen(text);
    *at++ = 0xd9;
    *at++ = (uint8_t)len;
    memcpy(at, text, len);
    return at + len;
}

static inline uint8_t *put_number(uint8_t *at, uint64_t number) {
    *at++ = 0xcf;
    for (int shift = 56; shift >= 0; shift -= 8)
        *at++ = (uint8_t)(number >> shift);
    return at;
}

/* The last pair of a `hello` that resumes one board. */
static inline uint8_t *put_resume(uint8_t *at, const char *board, const char *epoch, uint64_t seq) {
    at = put_text(at, "resume");
    *at++ = 0x91; /* a list of one */
    *at++ = 0x83; /* a map of three */
    at = put_text(put_text(at, "board"), board);
    at = put_text(put_text(at, "epoch"), epoch);
    return put_number(put_text(at, "seq"), seq);
}

static inline uint8_t *put_subscribe(uint8_t *at, const char *board) {
    *at++ = 0x83;
    at = put_text(put_text(at, "type"), "subscribe");
    at = put_number(put_text(at, "id"), 1);
    return put_text(put_text(at, "board"), board);
}

#endif
