/* Posts that are looked out for: on which connection a body of theirs came, and when each was told to hide it.
 *
 * A place is a count of the bytes that a connection was sent, over all its sockets: whether something lies before or behind another
 * needs no clock. */
#ifndef TRACKED_H
#define TRACKED_H
#include "frames.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRACKED_MAX = 64, ID_BYTES_MAX = 64 };

/* For each connection: places (0: none) of the mark, of the last body, of the first notice to hide it; and the time of that notice. */
struct tracked {
    uint8_t post[ID_BYTES_MAX];
    size_t len;
    uint64_t *mark, *body, *hidden, *hidden_ns;
};

static struct tracked tracked[TRACKED_MAX];
static int tracked_count;

/* Begins to look out for a post; returns its number. */
static inline int track(const char *post, int conn_count) {
    struct tracked *t = &tracked[tracked_count];
    uint64_t *places = calloc((size_t)conn_count * 4, sizeof *places);
    t->len = strlen(post);
    if (tracked_count == TRACKED_MAX || t->len > ID_BYTES_MAX || t->len < 4 || places == NULL) {
        fprintf(stderr, "cannot look out for %s\n", post);
        exit(2);
    }
    memcpy(t->post, post, t->len);
    t->mark = places;
    t->body = places + conn_count;
    t->hidden = places + 2 * conn_count;
    t->hidden_ns = places + 3 * conn_count;
    return tracked_count++;
}

/* Notes what a frame says of a post to connection i: it carries the body, or says that it is to be hidden. */
static inline void look_out(int i, struct text post, int has_body, uint64_t place, uint64_t now) {
    for (struct tracked *t = tracked; t < tracked + tracked_count; t++) {
        /* The end first: ids that were made in the same moment begin alike. */
        if (post.len != t->len || memcmp(post.at + t->len - 4, t->post + t->len - 4, 4) != 0 || memcmp(post.at, t->post, t->len) != 0)
            continue;
        if (has_body) {
            t->body[i] = place;
        } else if (t->hidden[i] == 0) {
            t->hidden[i] = place;
            t->hidden_ns[i] = now;
        }
    }
}

static inline void print_tracked(int k, uint64_t since_ns, int conn_count, int (*is_slow)(int)) {
    const struct tracked *t = &tracked[k];
    int hidden[2] = {0}, late[2] = {0}, missing = 0, reordered = 0;
    for (int i = 0; i < conn_count; i++) {
        int slow = is_slow(i);
        hidden[slow] += t->hidden[i] > 0;
        missing += !slow && t->hidden[i] == 0;
        late[slow] += t->mark[i] > 0 && t->body[i] > t->mark[i];
        reordered += t->hidden[i] > 0 && t->body[i] > t->hidden[i];
    }
    printf("tracked %d hidden=%d missing=%d late=%d reordered=%d slow_hidden=%d slow_late=%d", k, hidden[0], missing, late[0],
           reordered, hidden[1], late[1]);
    for (int i = 0; i < conn_count; i++)
        if (!is_slow(i) && t->hidden[i] > 0)
            printf(" %" PRIu64, t->hidden_ns[i] > since_ns ? (t->hidden_ns[i] - since_ns) / 1000 : 0);
    printf("\n");
}

#endif
