/* SPDX-License-Identifier: Apache-2.0
 *
 * The file with which sluice-context logs in to a manager: the user in its
 * first line, the password in its second.
 *
 * Runs in: sluice-context. */
#ifndef SLUICE_VSPHERE_CREDENTIALS_H
#define SLUICE_VSPHERE_CREDENTIALS_H 1

enum { CREDENTIALS_MAX_SIZE = 1024 }; /* Bytes of the file. */

/* Reads the file at 'path', which nobody but its owner may have access to.
 * Returns null, '*ret_user' and '*ret_password', to be released by
 * credentials_free(); or a malloc()ed sentence that holds nothing of what is
 * in the file. */
char *credentials_read(const char *path, char **ret_user,
                       char **ret_password);

/* Overwrites and frees 's', which may be null. */
void credentials_free(char *s);

#endif /* proxy-vm/context/vsphere-credentials.h */
