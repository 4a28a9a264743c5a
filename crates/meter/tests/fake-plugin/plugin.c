/* A wall meter that shows 100 W and misbehaves as the macros say that are defined before this text. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe.h"

__attribute__((unused)) static void hang(void) {
    for (;;) {
        pause();
    }
}

/* Prints what would end a line of JSON or be taken for an answer, and takes what it can read. */
static void print(void) {
#ifdef PRINTS
    char word[64];
    printf("{\"value\":666}\n%200s{\"half", "");
    fflush(stdout);
    if (write(1, "\n{\"plugin\":[]}\n", 15) < 0 || read(0, word, sizeof word) < 0) {
        abort();
    }
#endif
}

/* Writes the numbers of this process, and of a child that it starts, into a file. */
static void tell(void) {
#ifdef PID_FILE
    FILE *file = fopen(PID_FILE, "w");
    pid_t child = fork();
    if (child == 0) {
        hang();
    }
    if (file == NULL || fprintf(file, "%d %d\n", (int)getpid(), (int)child) < 0 || fclose(file)) {
        abort();
    }
#endif
}

static int32_t open_meter(void **state, char *reason, uint32_t size) {
    print();
    tell();
#ifdef FAILS_TO_OPEN
    strncpy(reason, "no meter on /dev/ttyUSB0\nplug it in", size);
    (void)state;
    return -1;
#else
#ifdef HANGS_IN_OPEN
    hang();
#endif
    (void)reason;
    (void)size;
    *state = calloc(1, sizeof(int));
    return *state == NULL ? -2 : 0;
#endif
}

static int32_t channels(void *state, wattlab_channel *out, uint32_t capacity) {
    (void)state;
    print();
#ifdef EMPTY
    (void)out;
    (void)capacity;
    return 0;
#else
    if (capacity > 0) {
        memset(out, 0, sizeof *out);
        strcpy(out->device, "wall");
        out->kind = WATTLAB_KIND_POWER;
        out->domain = WATTLAB_DOMAIN_SYSTEM;
        out->unit = 0.1;
    }
    return 1;
#endif
}

static int32_t read_meter(void *state, uint32_t channel, uint64_t *value) {
    int *readings = state;
    (void)channel;
    print();
#ifdef HANGS_IN_READ
    if ((*readings)++ == HANGS_IN_READ) {
        hang();
    }
#else
    (void)readings;
#endif
    *value = 1000;
    return 0;
}

static void close_meter(void *state) {
#ifdef HANGS_IN_CLOSE
    hang();
#endif
    free(state);
}

const wattlab_probe_table *wattlab_probe(void);

const wattlab_probe_table *wattlab_probe(void) {
    static const wattlab_probe_table table = {
        WATTLAB_PROBE_ABI, sizeof table, "wall", open_meter, channels, read_meter, close_meter, NULL};
    return &table;
}
