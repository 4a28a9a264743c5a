/* The C interface between wattlab's meter and its probes, version 1.
 *
 * A probe is a shared library that exports one symbol:
 *
 *     const wattlab_probe_table *wattlab_probe(void);
 *
 * The table and everything that it points to is static. Calls to one probe never overlap, but they
 * may come from different threads. Functions return 0 (or a count) on success, and on failure a
 * negative number that the probe chooses. Every buffer belongs to the caller. Probes report raw values;
 * wrap-around, units, integration and uncertainty are the meter's work.
 *
 * How it grows: new fields are added at the end of the table only, and `size` is the size of the
 * table. A meter accepts shorter tables (from `abi` to `close`) and longer ones of the same version.
 * All other layouts never change within a version; anything new is an extension.
 */
#ifndef WATTLAB_PROBE_H
#define WATTLAB_PROBE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WATTLAB_PROBE_ABI 1u

/* wattlab_channel.kind */
#define WATTLAB_KIND_COUNTER 1u /* energy since some start */
#define WATTLAB_KIND_POWER 2u   /* power at the time of the reading */

/* wattlab_channel.domain */
#define WATTLAB_DOMAIN_OTHER 0u
#define WATTLAB_DOMAIN_SYSTEM 1u
#define WATTLAB_DOMAIN_PSYS 2u
#define WATTLAB_DOMAIN_CPU_PACKAGE 3u
#define WATTLAB_DOMAIN_CPU_CORE 4u
#define WATTLAB_DOMAIN_CPU_UNCORE 5u
#define WATTLAB_DOMAIN_DRAM 6u
#define WATTLAB_DOMAIN_GPU 7u
#define WATTLAB_DOMAIN_CPU_DIE 8u

/* Fill it with zeros first: 0 and "" mean unknown or none. Texts are UTF-8, nul-terminated. */
typedef struct wattlab_channel {
    char device[64];       /* the device; device and domain together are unique within a probe */
    char inside[64];       /* the device that contains this one (`package-0` for its cores) */
    char identity[64];     /* shared by every way of reading this counter: a UUID, a PCI address */
    uint32_t kind;         /* WATTLAB_KIND_* */
    uint32_t domain;       /* WATTLAB_DOMAIN_* */
    double unit;           /* joules (counter) or watts (power) per raw unit */
    uint64_t range;        /* the counter wraps to 0 when it would reach this; 0: never */
    uint64_t period_ns;    /* time between updates of the value; 0: unknown */
    uint64_t averaging_ns; /* time over which the sensor averages a power; 0: it does not */
    double relative_error; /* half-width of the 95 % interval of the gain, as a share; 0: unknown */
} wattlab_channel;

typedef struct wattlab_probe_table {
    uint32_t abi;  /* WATTLAB_PROBE_ABI of the probe's build */
    uint32_t size; /* sizeof(wattlab_probe_table) of that build */
    const char *name; /* static, UTF-8, nul-terminated */
    /* Finds the hardware and creates the state. On failure writes the reason and, after a line
     * break, what to do about it: nul-terminated, at most `reason_size` bytes in all. */
    int32_t (*open)(void **state, char *reason, uint32_t reason_size);
    /* Returns the number of channels and writes at most `capacity` of them. */
    int32_t (*channels)(void *state, wattlab_channel *out, uint32_t capacity);
    /* Reads the raw value of one channel. */
    int32_t (*read)(void *state, uint32_t channel, uint64_t *value);
    /* Frees the state. */
    void (*close)(void *state);
    /* Returns the static extension of that name, or NULL if there is none. May itself be NULL. */
    const void *(*extension)(const char *id);
} wattlab_probe_table;

/* Options. `set` is called for each of them before `open`; they apply to the next `open` only. */
#define WATTLAB_CONFIGURE "wattlab.configure/1"
typedef struct wattlab_configure {
    /* Returns 0, or a negative code for an unknown key or a value that is not valid. */
    int32_t (*set)(const char *key, const char *value);
} wattlab_configure;

/* Reasons of failed readings. */
#define WATTLAB_REASON "wattlab.reason/1"
typedef struct wattlab_reason {
    /* Returns why the last `read` failed with this code, or NULL; valid until the next call. */
    const char *(*reason)(void *state, int32_t code);
} wattlab_reason;

#ifdef __cplusplus
}
#endif

#endif
