/* Stands in for NVIDIA's management library: devices whose values a test sets through fake_*. */

#include <stddef.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, DEVICES = 4 };

typedef struct {
    char name[96], uuid[96];
    unsigned long long energy_mj, memory_total, memory_used;
    unsigned power_mw, temperature, utilisation, clock_mhz, mig, processes;
} Device;

typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned gpu, memory; } Utilisation;
typedef struct { unsigned version; int sensor; int temperature; } Temperature;

static Device devices[DEVICES];
static unsigned present;
static char failing[96];
static int failure;

void fake_reset(void) { memset(devices, 0, sizeof devices); present = 0; failing[0] = 0; failure = 0; }
void fake_fail(const char *function, int code) { strncpy(failing, function, 95); failure = code; }

void fake_device(unsigned index, const char *name, const char *uuid, unsigned long long memory_total) {
    strncpy(devices[index].name, name, 95);
    strncpy(devices[index].uuid, uuid, 95);
    devices[index].memory_total = memory_total;
    if (index >= present) present = index + 1;
}

void fake_set(unsigned index, unsigned long long energy_mj, unsigned power_mw, unsigned temperature,
              unsigned utilisation, unsigned clock_mhz, unsigned long long memory_used) {
    Device *d = &devices[index];
    d->energy_mj = energy_mj; d->power_mw = power_mw; d->temperature = temperature;
    d->utilisation = utilisation; d->clock_mhz = clock_mhz; d->memory_used = memory_used;
}

void fake_sharing(unsigned index, unsigned mig, unsigned processes) {
    devices[index].mig = mig; devices[index].processes = processes;
}

#define CHECK(name) if (failure && strcmp(failing, #name) == 0) return failure

int nvmlInitWithFlags(unsigned flags) {
    CHECK(nvmlInitWithFlags);
    if (present == 0) { /* loaded without a test to set it up */
        fake_device(0, "Fake GPU", "GPU-00000000", 1 << 30);
    }
    return SUCCESS;
}
int nvmlShutdown(void) { return SUCCESS; }
int nvmlSystemGetDriverVersion(char *text, unsigned length) { strncpy(text, "999.01", length); return SUCCESS; }
int nvmlDeviceGetCount_v2(unsigned *count) { CHECK(nvmlDeviceGetCount_v2); *count = present; return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device **device) {
    if (index >= present) return INVALID_ARGUMENT;
    *device = &devices[index];
    return SUCCESS;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, Device **device) {
    for (unsigned i = 0; i < present; i++)
        if (strcmp(devices[i].uuid, uuid) == 0) { *device = &devices[i]; return SUCCESS; }
    return NOT_FOUND;
}
int nvmlDeviceGetUUID(Device *d, char *text, unsigned length) { strncpy(text, d->uuid, length); return SUCCESS; }
int nvmlDeviceGetName(Device *d, char *text, unsigned length) { strncpy(text, d->name, length); return SUCCESS; }
int nvmlDeviceGetMigMode(Device *d, unsigned *now, unsigned *later) { *now = *later = d->mig; return SUCCESS; }
int nvmlDeviceGetTotalEnergyConsumption(Device *d, unsigned long long *mj) {
    CHECK(nvmlDeviceGetTotalEnergyConsumption); *mj = d->energy_mj; return SUCCESS;
}
int nvmlDeviceGetPowerUsage(Device *d, unsigned *mw) { CHECK(nvmlDeviceGetPowerUsage); *mw = d->power_mw; return SUCCESS; }
int nvmlDeviceGetTemperatureV(Device *d, Temperature *t) {
    CHECK(nvmlDeviceGetTemperatureV); t->temperature = (int)d->temperature; return SUCCESS;
}
int nvmlDeviceGetTemperature(Device *d, int sensor, unsigned *t) { *t = d->temperature; return SUCCESS; }
int nvmlDeviceGetUtilizationRates(Device *d, Utilisation *u) {
    CHECK(nvmlDeviceGetUtilizationRates); u->gpu = d->utilisation; return SUCCESS;
}
int nvmlDeviceGetMemoryInfo(Device *d, Memory *m) {
    m->total = d->memory_total; m->used = d->memory_used; return SUCCESS;
}
int nvmlDeviceGetClockInfo(Device *d, int kind, unsigned *mhz) {
    if (kind != 1) return INVALID_ARGUMENT; /* the SM clock is asked for */
    *mhz = d->clock_mhz;
    return SUCCESS;
}
int nvmlDeviceGetComputeRunningProcesses_v3(Device *d, unsigned *count, void *infos) {
    int code = d->processes > 0 && infos == NULL ? INSUFFICIENT_SIZE : SUCCESS;
    *count = d->processes;
    return code;
}
