/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_SLICE_H
#define WHEREABOUTS_SLICE_H

/*
 * NodeSlicePool objects: which part of a range this node may give out. Pure, but for the node's
 * name.
 */

#include "choose.h"

/* The part of a range that one node gives out. */
struct slice {
        char *node;       /* as the pool spells its name; owned. NULL: none */
        struct ipnet net; /* host bits are zero */
};

void slice_done(struct slice *slice);

/* Outcome > 0. */
enum {
        SLICE_NONE = 1, /* the pool has no slice for this node (yet) */
};

/* The slice of the node in a NodeSlicePool object: the entry whose nodeName is `node`, else the
 * only one that is equal to it up to the first dot of either, when one of both has no dot. With
 * SLICE_NONE err holds the text for the user, CNI_ERR_TRY_LATER. */
int slice_find(const char *text, size_t len, const char *node, struct slice *ret, struct err *err);

/* The part of the range that lies in the slice: its own bounds and excludes hold inside of it. An
 * error when they have nothing in common. ret->net is the slice, start and end are always set; it
 * is the caller's to free. */
int slice_cut(const struct range *range, const struct ipnet *slice, struct range *ret,
              struct err *err);

/* This node's name: the environment's NODENAME, `nodename` beside the flat file, /etc/hostname;
 * white space around it is cut off. An owned text. A file that exists and cannot be read, or a name
 * that is none, is an error. flat_file NULL: there is none. */
int slice_node_name(const char *flat_file, char **ret, struct err *err);

#endif
