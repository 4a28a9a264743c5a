/* A fake libnvidia-ml. The file CONTROL, which is read at every call, holds the number of GPUs and then
 * a word for the behavior of each: `ok`, `power` (no energy counter), `none` (no sensor), `lost`.
 * Energy increases by 1000 mJ per reading; power is 75 W.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, DRIVER_NOT_LOADED = 9, GPU_IS_LOST = 15 };

/* Writes the behavior of GPU `index` to `word`, unless that is NULL, and returns the number of GPUs. */
static int look(unsigned index, char *word) {
    int count = 0;
    FILE *file = fopen(CONTROL, "r");
    if (file == NULL || fscanf(file, "%d", &count) != 1) {
        count = -1;
    }
    for (unsigned i = 0; file != NULL && word != NULL && i <= index; i++) {
        if (fscanf(file, "%15s", word) != 1) {
            strcpy(word, "ok");
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return count;
}

static unsigned index_of(void *device) { return (unsigned)((uintptr_t)device - 1); }

int nvmlInit_v2(void) { return look(0, NULL) < 0 ? DRIVER_NOT_LOADED : SUCCESS; }
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int code) { return code == SUCCESS ? "success" : "failure"; }

int nvmlDeviceGetCount_v2(unsigned *count) {
    *count = (unsigned)look(0, NULL);
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    char word[16];
    if ((int)index >= look(index, word)) {
        return INVALID_ARGUMENT;
    }
    *device = (void *)(uintptr_t)(index + 1);
    return strcmp(word, "lost") == 0 ? GPU_IS_LOST : SUCCESS;
}

int nvmlDeviceGetUUID(void *device, char *uuid, unsigned length) {
    snprintf(uuid, length, "GPU-0000000%u", index_of(device));
    return SUCCESS;
}

#ifndef OLD_DRIVER
static unsigned long long energy[64];

int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *millijoules) {
    char word[16];
    look(index_of(device), word);
    if (strcmp(word, "ok") != 0) {
        return NOT_SUPPORTED;
    }
    *millijoules = energy[index_of(device)] += 1000;
    return SUCCESS;
}
#endif

int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts) {
    char word[16];
    look(index_of(device), word);
    *milliwatts = 75000;
    return strcmp(word, "none") == 0 ? NOT_SUPPORTED : SUCCESS;
}
