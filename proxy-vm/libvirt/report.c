/* SPDX-License-Identifier: Apache-2.0
 *
 * Reports to sluice-context.  See report.h. */
#include <config.h>

#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libvirt-domain.h"
#include "libvirt-link.h"
#include "printable.h"
#include "unaligned.h"
#include "util.h"

enum { HEADER_SIZE = 4, MAX_PROBLEM = 300 };

/* Writes all of it, or ends the program. */
static void
write_all(const uint8_t *data, size_t size)
{
    while (size) {
        ssize_t n = write(STDOUT_FILENO, data, size);

        if (n > 0) {
            data += n;
            size -= n;
        } else if (n < 0 && errno != EINTR) {
            _exit(EXIT_FAILURE);
        }
    }
}

static void
report(const Sluice__LibvirtReport *r)
{
    static uint8_t frame[HEADER_SIZE + LIBVIRT_MAX_FRAME];
    size_t size = sluice__libvirt_report__get_packed_size(r);

    ovs_assert(size <= LIBVIRT_MAX_FRAME);
    put_unaligned_be32((ovs_be32 *) frame, htonl(size));
    sluice__libvirt_report__pack(r, frame + HEADER_SIZE);
    write_all(frame, HEADER_SIZE + size);
}

void
report_kind(Sluice__LibvirtKind kind)
{
    Sluice__LibvirtReport r = SLUICE__LIBVIRT_REPORT__INIT;

    r.kind = kind;
    report(&r);
}

static ProtobufCBinaryData
bytes_of(const uint8_t *bytes, size_t n)
{
    return (ProtobufCBinaryData) {
        .data = CONST_CAST(uint8_t *, bytes), .len = n
    };
}

/* Fills in what the domain says. */
static void
set_domain(Sluice__LibvirtDomain *said, const struct libvirt_domain *d,
           ProtobufCBinaryData macs[LIBVIRT_MAX_MACS],
           Sluice__LibvirtFact facts[N_LIBVIRT_KEYS],
           Sluice__LibvirtFact *pointers[N_LIBVIRT_KEYS])
{
    for (size_t i = 0; i < d->n_macs; i++) {
        macs[said->n_mac++] = bytes_of(d->macs[i], sizeof d->macs[i]);
    }
    for (size_t i = 0; i < N_LIBVIRT_KEYS; i++) {
        if (d->values[i]) {
            Sluice__LibvirtFact *fact = &facts[said->n_fact];

            sluice__libvirt_fact__init(fact);
            fact->key = CONST_CAST(char *, libvirt_keys[i].name);
            fact->value = d->values[i];
            pointers[said->n_fact++] = fact;
        }
    }
    said->mac = macs;
    said->fact = pointers;
}

void
report_domain(const uint8_t uuid[16], const char *name,
              const struct libvirt_domain *d, const char *problem)
{
    Sluice__LibvirtReport r = SLUICE__LIBVIRT_REPORT__INIT;
    Sluice__LibvirtDomain said = SLUICE__LIBVIRT_DOMAIN__INIT;
    ProtobufCBinaryData macs[LIBVIRT_MAX_MACS];
    Sluice__LibvirtFact facts[N_LIBVIRT_KEYS];
    Sluice__LibvirtFact *pointers[N_LIBVIRT_KEYS];

    r.kind = SLUICE__LIBVIRT_KIND__LIBVIRT_DOMAIN;
    r.domain = &said;
    said.uuid = bytes_of(uuid, 16);
    char *printable_name = make_printable(name, LIBVIRT_MAX_NAME);
    char *printable_problem = make_printable(problem ? problem : "",
                                             MAX_PROBLEM);
    said.name = printable_name;
    said.problem = printable_problem;
    if (d) {
        set_domain(&said, d, macs, facts, pointers);
    }
    report(&r);
    free(printable_name);
    free(printable_problem);
}

void
report_gone(const uint8_t uuid[16])
{
    Sluice__LibvirtReport r = SLUICE__LIBVIRT_REPORT__INIT;

    r.kind = SLUICE__LIBVIRT_KIND__LIBVIRT_GONE;
    r.gone = bytes_of(uuid, 16);
    report(&r);
}

void
report_loads(Sluice__LibvirtKind kind, Sluice__LibvirtHost *host,
             Sluice__LibvirtLoad **loads, size_t n)
{
    Sluice__LibvirtReport r = SLUICE__LIBVIRT_REPORT__INIT;

    r.kind = kind;
    r.host = host;
    r.load = loads;
    r.n_load = n;
    report(&r);
}

void
report_problem(const char *format, ...)
{
    Sluice__LibvirtReport r = SLUICE__LIBVIRT_REPORT__INIT;
    va_list args;

    va_start(args, format);
    char *text = xvasprintf(format, args);
    va_end(args);
    char *problem = make_printable(text, MAX_PROBLEM);

    r.kind = SLUICE__LIBVIRT_KIND__LIBVIRT_PROBLEM;
    r.problem = problem;
    report(&r);
    /* Not exit(): the library may be in any state. */
    _exit(EXIT_FAILURE);
}
