/* A probe in C: a counter of the processor's energy that grows by 1 J at each reading.
 *
 *     cc -shared -fPIC -I crates/probe-abi/include probe.c -o libwattlab_probe_example_c.so
 */
#include <stdlib.h>
#include <string.h>

#include "probe.h"

static int32_t open_probe(void **state, char *reason, uint32_t reason_size) {
    uint64_t *joules = calloc(1, sizeof *joules);
    if (joules == NULL) {
        strncpy(reason, "out of memory", reason_size);
        return -1;
    }
    *state = joules;
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
        out->range = 1u << 16;
    }
    return 1;
}

static int32_t read_channel(void *state, uint32_t channel, uint64_t *value) {
    uint64_t *joules = state;
    if (channel != 0) {
        return -2;
    }
    *joules = (*joules + 1) % (1u << 16);
    *value = *joules;
    return 0;
}

static void close_probe(void *state) {
    free(state);
}

const wattlab_probe_table *wattlab_probe(void) {
    static const wattlab_probe_table table = {
        WATTLAB_PROBE_ABI, sizeof table, "example-c",
        open_probe,        list_channels, read_channel, close_probe,
    };
    return &table;
}
