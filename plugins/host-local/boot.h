/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_LOCAL_BOOT_H
#define HOST_LOCAL_BOOT_H

/*
 * Which boot of the machine a file comes from.
 *
 * A network namespace does not survive a reboot, so a reservation of an earlier boot belongs to a
 * dead container. No clock can tell that; the kernel's boot id can. It is kept as the extended
 * attribute user.cni-ipam.boot of the address file, where programs that do not know it are not
 * disturbed.
 *
 * Tags are written and believed on local file systems only: on NFS, another node's would look
 * stale.
 */

#include <stdbool.h>

#define BOOT_ATTRIBUTE "user.cni-ipam.boot"
#define BOOT_ID_SIZE   37

struct boot {
        char id[BOOT_ID_SIZE]; /* "" when tags cannot be used: everything is then of this boot */
};

/* Finds out the boot id, if the directory's file system is a local one. Never fails. */
void boot_init(struct boot *boot, int dirfd);

/* Tags an open file with this boot. A file that cannot be tagged stays untagged. */
void boot_tag(const struct boot *boot, int fd);

/* Whether the file carries the tag of another boot. An untagged file never does. */
bool boot_is_stale(const struct boot *boot, int fd);

/* Whether the file carries this boot's tag. */
bool boot_is_current(const struct boot *boot, int fd);

#endif
