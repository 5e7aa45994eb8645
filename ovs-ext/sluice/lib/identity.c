/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose packets come in on a port, as text: see identity.h.  In: external_ids
 * and arguments of the action, as somebody wrote them.  Out: their values.
 * Runs in ovs-vswitchd and ovs-ofctl. */

#include <config.h>

#include "sluice/identity.h"

#include "openvswitch/dynamic-string.h"
#include "openvswitch/uuid.h"
#include "util.h"
#include "uuid.h"

/* Parses the UUID 's' into 'vm'.  Returns false, with 'vm' untouched, if 's'
 * is not a UUID or is the nil UUID, which names nothing. */
bool
sluice_vm_from_string(const char *s, uint8_t vm[SLUICE_TLV_SIZE_VM])
{
    struct uuid uuid;

    if (!uuid_from_string(&uuid, s) || uuid_is_zero(&uuid)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(uuid.parts); i++) {
        vm = sluice_tlv_put_be32(vm, uuid.parts[i]);
    }
    return true;
}

/* Appends 'vm' to 'ds' the way sluice_vm_from_string() reads it. */
void
sluice_vm_format(const uint8_t vm[SLUICE_TLV_SIZE_VM], struct ds *ds)
{
    for (int i = 0; i < SLUICE_TLV_SIZE_VM; i++) {
        ds_put_format(ds, "%s%02"PRIx8,
                      i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                      vm[i]);
    }
}

/* Parses the tenant number 's'.  Returns false, with '*ret_tenant' untouched,
 * if 's' is not a number that a VNI can hold, or is 0. */
bool
sluice_tenant_from_string(const char *s, uint32_t *ret_tenant)
{
    unsigned int tenant;

    if (!str_to_uint(s, 0, &tenant)
        || !tenant || tenant > SLUICE_TLV_MAX_TENANT) {
        return false;
    }
    *ret_tenant = tenant;
    return true;
}

/* Parses the process and user id 's', "PID:UID".  Returns false, with outputs
 * untouched, if 's' is something else or the process id is 0, which is no
 * process's. */
bool
sluice_owner_from_string(const char *s, uint32_t *ret_pid, uint32_t *ret_uid)
{
    char pid_s[11], uid_s[11];
    unsigned int pid, uid;
    int n;

    if (!ovs_scan(s, "%10[0-9]:%10[0-9]%n", pid_s, uid_s, &n) || s[n]
        || !str_to_uint(pid_s, 10, &pid) || !str_to_uint(uid_s, 10, &uid)
        || !pid) {
        return false;
    }
    *ret_pid = pid;
    *ret_uid = uid;
    return true;
}
