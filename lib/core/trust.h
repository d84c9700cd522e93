/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_TRUST_H
#define CORE_TRUST_H

/*
 * Which files a root program may open because a tenant's configuration names them.
 *
 * A NetworkAttachmentDefinition is written by a tenant; these programs run as root. So
 * configuration and credentials are opened only below an allowed root, and only when nobody but
 * root (or the effective user) could have put them there: every component on the way is walked one
 * by one, and each must belong to root or the effective user and be writable neither by its group
 * (group 0 apart) nor by others, nor through an ACL. A sticky directory passes on the way, because
 * the owner of the next component is checked as well; not at its end. A symlink is followed where
 * its owner passes, and its target is walked likewise. A hard link counts as what it leads to: that
 * nobody makes one to a file of root's is up to the kernel (fs.protected_hardlinks).
 *
 * The allowed roots are built in (see trust.c), and lines `root = /absolute/path` of
 * /etc/cni-ipam.conf add to them.
 */

#include <stddef.h>

#include "core/err.h"

/* The administrator's file. */
#define TRUST_CONF "/etc/cni-ipam.conf"

struct trust {
        char **roots; /* those added by configuration; owned */
        size_t count;
};

void trust_done(struct trust *trust);

/* Reads the administrator's file. It passes the same walk itself; a missing file adds nothing, and
 * a NUL byte in it is an error. */
int trust_load(const char *path, struct trust *ret, struct err *err);

/* Reads the text of that file: lines `root = /absolute/path`, blank lines, comments with '#' on
 * lines of their own. Anything else is an error that names the line. */
int trust_parse(const char *text, struct trust *ret, struct err *err);

/* Opens `path`, which must be absolute, without ".." and below an allowed root. A slash behind it
 * is for directories alone, as with open(2). flags: 0 for a regular file to read, O_DIRECTORY for a
 * directory, O_PATH for a thing of any kind. The error is CNI_ERR_CONFIG for a path that is not
 * allowed and CNI_ERR_IO for one that cannot be opened; it names the component that does not pass,
 * never content. */
int trust_open(const struct trust *trust, const char *path, int flags, int *ret_fd,
               struct err *err);

#endif
