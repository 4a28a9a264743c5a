/* A probe in C: a simulated energy counter of a processor that increases by 1 J (option `step`) at
 * each reading.
 *
 *     cc -shared -fPIC -I crates/probe-abi/include plugins/example-c/probe.c \
 *        -o libwattlab_probe_example_c.so
 */
#include <stdlib.h>
#include <string.h>

#include "probe.h"

#define RANGE (1u << 16)

typedef struct state {
    uint64_t joules, step;
} state;

static uint64_t next_step = 1;

static int32_t set_option(const char *key, const char *value) {
    if (strcmp(key, "step") != 0) {
        return -1;
    }
    next_step = strtoull(value, NULL, 10);
    return next_step > 0 && next_step < RANGE ? 0 : -2;
}

static int32_t open_probe(void **out, char *reason, uint32_t reason_size) {
    state *made = calloc(1, sizeof *made);
    if (made == NULL) {
        strncpy(reason, "out of memory", reason_size);
        return -1;
    }
    made->step = next_step;
    next_step = 1; /* an option applies to one opening */
    *out = made;
    return 0;
}

static int32_t list_channels(void *state, wattlab_channel *out, uint32_t capacity) {
    (void)state;
    if (capacity >= 1) {
        memset(out, 0, sizeof *out);
        strcpy(out->device, "package-0");
        out->kind = WATTLAB_KIND_COUNTER;
        out->domain = WATTLAB_DOMAIN_CPU_PACKAGE;
        out->unit = 1.0;
        out->range = RANGE;
    }
    return 1;
}

static int32_t read_channel(void *opaque, uint32_t channel, uint64_t *value) {
    state *it = opaque;
    if (channel != 0) {
        return -3;
    }
    it->joules = (it->joules + it->step) % RANGE;
    *value = it->joules;
    return 0;
}

static void close_probe(void *state) {
    free(state);
}

static const void *extension(const char *id) {
    static const wattlab_configure configure = {set_option};
    return strcmp(id, WATTLAB_CONFIGURE) == 0 ? &configure : NULL;
}

const wattlab_probe_table *wattlab_probe(void) {
    static const wattlab_probe_table table = {
        WATTLAB_PROBE_ABI, sizeof table, "example-c", open_probe,
        list_channels,     read_channel, close_probe, extension,
    };
    return &table;
}
