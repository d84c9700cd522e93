/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_LOCAL_COMMAND_H
#define HOST_LOCAL_COMMAND_H

/*
 * The sub-commands for people: what is held, how full it is, and freeing what is stranded.
 */

#include "core/cni.h"

/* A table for struct cni_plugin. */
extern const struct cni_command host_local_commands[];
extern const size_t host_local_command_count;

#endif
