/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_COMMAND_H
#define WHEREABOUTS_COMMAND_H

/*
 * The sub-commands for people: what the pools hold, whether this node has what it needs, and what
 * is wrong among the objects.
 */

#include "core/cni.h"

/* A table for struct cni_plugin. */
extern const struct cni_command whereabouts_commands[];
extern const size_t whereabouts_command_count;

#endif
