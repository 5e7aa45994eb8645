/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of several proxies gets the packets of a VM: rendezvous hashing.
 *
 * Each pair of a VM and a proxy has a weight; the VM's packets go to the live
 * proxy of the greatest.  So all switches with the same proxies choose the
 * same for a VM, wherever it runs, and whatever they call their ports; a proxy
 * that dies or comes back moves its own share and no other.
 *
 * Pure code, no Open vSwitch. */

#ifndef SLUICE_RENDEZVOUS_H
#define SLUICE_RENDEZVOUS_H 1

#include <stddef.h>
#include <stdint.h>

#include "sluice/siphash.h"

/* Returns the weight of a proxy, 'proxy_size' bytes at 'proxy', for a VM, 'vm'
 * likewise: a hash that is the same on all machines. */
static inline uint64_t
sluice_rendezvous_weight(const void *vm, size_t vm_size,
                         const void *proxy, size_t proxy_size)
{
    static const uint8_t key[SIPHASH_KEY_SIZE] = "sluice rendezvou";
    uint8_t digest[8];
    struct siphash h;
    uint64_t weight = 0;

    siphash_init(&h, key);
    siphash_update(&h, vm, vm_size);
    siphash_update(&h, proxy, proxy_size);
    siphash_final(&h, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        weight = weight << 8 | digest[i];
    }
    return weight;
}

#endif /* sluice/rendezvous.h */
