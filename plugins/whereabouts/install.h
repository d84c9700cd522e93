/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_INSTALL_H
#define WHEREABOUTS_INSTALL_H

/*
 * Programs in the node's directory of CNI plugins: put there whole or not at all, and taken back.
 *
 * A name is only ever changed by rename(2). So a program that runs goes on running, a runtime that
 * calls one finds the old or the new, and a symlink is replaced itself: on K3s most names lead to
 * the one executable that flannel and everything else is, and writing through would destroy it.
 *
 * What was there and is not of this suite is kept as NAME.old, the first time. A file counts as
 * ours when "cni-ipam" stands in it, as in all executables of the suite; a symlink never does,
 * since its target need not mean in a container what it means on the host.
 *
 * Installers of one directory exclude each other by flock(2) on it. So whatever has the name of a
 * temporary file was left by one that was killed, and is removed.
 */

#include <stddef.h>

#include "core/err.h"

/* What became of a program. */
enum install_end {
        INSTALL_SAME,     /* it is there already; or to restore: neither it nor NAME.old is there */
        INSTALL_NEW,      /* nothing was there */
        INSTALL_UPDATED,  /* one of ours was there */
        INSTALL_REPLACED, /* something else was there, and is now kept as NAME.old */
        INSTALL_AGAIN, /* something else was there, and NAME.old is older still: it was not kept */
        INSTALL_RESTORED, /* NAME.old is NAME again */
        INSTALL_REMOVED,  /* ours is gone, and nothing was there before */
        INSTALL_FOREIGN,  /* to restore: somebody has replaced ours since; nothing was touched */
};

#define INSTALL_PROGRAMS 3U /* of the suite */

struct install_program {
        const char *name; /* constant */
        enum install_end end;
};

struct install {
        struct install_program programs[INSTALL_PROGRAMS];
        size_t count;
};

/* Reads "whereabouts,host-local,dhcp": at least one, each at most once, blanks around them pass.
 * CNI_ERR_CONFIG names what is none of them. */
int install_parse(const char *list, struct install *ret, struct err *err);

/* The directory that this process' executable lies in, where its siblings lie as well; owned. */
int install_own_directory(char **ret, struct err *err);

/* Puts the programs from `from` into bin_dir, which must exist, and tells in each what became of
 * it. All are read before the first is put in place; those before the one that fails stay. Errors
 * are CNI_ERR_IO and name the path; the failed one's name is as it was. */
int install_programs(struct install *install, const char *from, const char *bin_dir,
                     struct err *err);

/* Takes them back: NAME.old becomes NAME; where there is none, NAME goes if it is ours. */
int install_restore(struct install *install, const char *bin_dir, struct err *err);

/* What became of it, in words that follow the path: "is kept as it is". Constant. */
const char *install_end_text(enum install_end end);

#endif
