/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that outlives its process, as a file in tmpfs that only its owner can
 * read.
 *
 * Runs in: sluice-intake. */
#ifndef SLUICE_LASTING_MEMORY_H
#define SLUICE_LASTING_MEMORY_H 1

#include <stddef.h>

/* Maps 'size' bytes of the file 'path', making it, full of zeros, if need be.
 * With a null 'path' the memory is that of this process alone.  Returns 0 and
 * '*ret', or a positive errno. */
int lasting_memory_map(const char *path, size_t size, void **ret);
void lasting_memory_unmap(void *, size_t size);

#endif /* proxy-vm/common/lasting-memory.h */
