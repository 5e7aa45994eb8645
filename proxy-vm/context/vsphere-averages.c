/* SPDX-License-Identifier: Apache-2.0
 *
 * Averages by PerformanceManager.  See vsphere-averages.h. */
#include <config.h>

#include "vsphere-averages.h"

#include <stdlib.h>
#include <string.h>

#include "soap-reply.h"
#include "timeval.h"
#include "util.h"

enum {
    SAMPLE_S = 20,              /* As hosts measure. */
    MAX_SAMPLES = 180,          /* That they keep. */
    AT_ONCE = 100,              /* Objects that are asked about. */
    MAX_NUMBER = 20,            /* Bytes. */
    MAX_PERCENT = 10000,        /* Hundredths. */
};

/* Returns true if the child 'name' of 'parent' says 'text'. */
static bool
says(const xmlNode *parent, const char *name, const char *text)
{
    char *s = soap_text(soap_child(parent, name), 64);
    bool same = !strcmp(s, text);

    free(s);
    return same;
}

/* Returns the number that 'node', which may be null, says; -1 if it says
 * none. */
static long long int
number_of(const xmlNode *node)
{
    char *s = soap_text(node, MAX_NUMBER), *end;
    long long int n = strtoll(s, &end, 10);
    bool is_number = *s && !*end && n >= 0;

    free(s);
    return is_number ? n : -1;
}

static void
take_counter(const xmlNode *info, struct vsphere_counters *c)
{
    const xmlNode *group = soap_child(info, "groupInfo");
    long long int key = number_of(soap_child(info, "key"));

    if (key <= 0 || key > UINT32_MAX
        || !says(info, "rollupType", "average")
        || !says(soap_child(info, "nameInfo"), "key", "usage")) {
        return;
    } else if (says(group, "key", "cpu")) {
        c->cpu = key;
    } else if (says(group, "key", "mem")) {
        c->memory = key;
    }
}

char *
vsphere_counters_take(const xmlNode *reply, struct vsphere_counters *ret)
{
    const xmlNode *objects = soap_child(soap_child(reply, "returnval"),
                                        "objects");
    const xmlNode *all = soap_child(soap_child(objects, "propSet"), "val");
    struct vsphere_counters c = { 0 };

    for (const xmlNode *info = soap_child(all, "PerfCounterInfo"); info;
         info = soap_next(info)) {
        take_counter(info, &c);
    }
    if (!c.cpu || !c.memory) {
        return xstrdup("it has no counters of the use of CPU and memory");
    }
    *ret = c;
    return NULL;
}

/* Appends what a query asks for of an entity. */
static void
put_spec(const struct vsphere_averages *a, struct ds *s)
{
    unsigned int n = MIN(MAX(a->interval_ms / 1000 / SAMPLE_S, 1),
                         MAX_SAMPLES);

    ds_put_format(s, "<maxSample>%u</maxSample>", n);
    ds_put_format(s, "<metricId><counterId>%"PRIu32"</counterId><instance/>"
                  "</metricId><metricId><counterId>%"PRIu32"</counterId>"
                  "<instance/></metricId>", a->counters.cpu,
                  a->counters.memory);
    ds_put_format(s, "<intervalId>%d</intervalId>", SAMPLE_S);
}

bool
vsphere_averages_are_due(const struct vsphere_averages *a,
                         const struct vsphere_service *service)
{
    return (a->interval_ms && service->performance
            && (a->is_under_way || time_msec() >= a->at));
}

char *
vsphere_averages_next(struct vsphere_averages *a,
                      const struct vsphere_service *service,
                      struct vsphere_model *model)
{
    struct ds spec = DS_EMPTY_INITIALIZER, specs = DS_EMPTY_INITIALIZER;
    char *request = NULL;

    if (!a->counters.cpu) {
        return vsphere_request_counters(service);
    }
    put_spec(a, &spec);
    a->is_under_way = vsphere_model_take_unaveraged(model, AT_ONCE,
                                                    ds_cstr(&spec),
                                                    &specs) > 0;
    if (a->is_under_way) {
        request = vsphere_request_averages(service, ds_cstr(&specs));
    } else {
        a->at = time_msec() + a->interval_ms;
    }
    ds_destroy(&spec);
    ds_destroy(&specs);
    return request;
}

void
vsphere_averages_give_up(struct vsphere_averages *a)
{
    a->is_under_way = false;
    a->at = time_msec() + a->interval_ms;
}

/* Adds the mean of the samples in 'series' as 'property', in hundredths of per
 * cent, unless there are none. */
static void
take_series(const xmlNode *series, enum vsphere_property property,
            struct vsphere_update *u)
{
    uint64_t sum = 0, n = 0;

    for (const xmlNode *value = soap_child(series, "value"); value;
         value = soap_next(value)) {
        long long int sample = number_of(value);

        /* -1: there is none of that time. */
        if (sample >= 0) {
            sum += MIN(sample, MAX_PERCENT);
            n++;
        }
    }
    if (n) {
        u->values[u->n_values++] = (struct vsphere_value) {
            .property = property, .text = xasprintf("%"PRIu64, sum / n),
        };
    }
}

char *
vsphere_averages_parse(const xmlNode *element,
                       const struct vsphere_counters *c,
                       struct vsphere_update **ret)
{
    struct vsphere_update *u = vsphere_update_of(soap_child(element, "entity"),
                                                 2);
    bool has_cpu = false, has_memory = false;

    if (!u || (u->type != VSPHERE_VM && u->type != VSPHERE_HOST)) {
        vsphere_update_destroy(u);
        return xstrdup("there is a measurement of no VM and no host");
    }
    for (const xmlNode *series = soap_child(element, "value"); series;
         series = soap_next(series)) {
        long long int id = number_of(soap_child(soap_child(series, "id"),
                                                "counterId"));

        if (id == c->cpu && !has_cpu) {
            has_cpu = true;
            take_series(series, u->type == VSPHERE_VM ? VSPHERE_VM_CPU_AVERAGE
                        : VSPHERE_HOST_CPU_AVERAGE, u);
        } else if (id == c->memory && !has_memory) {
            has_memory = true;
            take_series(series, u->type == VSPHERE_VM
                        ? VSPHERE_VM_MEMORY_AVERAGE
                        : VSPHERE_HOST_MEMORY_AVERAGE, u);
        }
    }
    *ret = u;
    return NULL;
}
