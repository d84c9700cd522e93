/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_METRICS_H
#define WHEREABOUTS_METRICS_H

/*
 * Counters as text that Prometheus reads (exposition format 0.0.4). Pure: numbers in, text out.
 */

#include <stddef.h>

#include "core/buf.h"

enum metric_kind {
        METRIC_COUNTER, /* only grows; its name ends in "_total" */
        METRIC_GAUGE,
};

/* One line. Lines of one name stand together in the table; the first of them has `help`. */
struct metric {
        const char *name; /* "whereabouts_node_batches_total" */
        enum metric_kind kind;
        const char *help;   /* one line, for the first of a name; NULL for the others */
        const char *labels; /* "verb=\"add\""; NULL: none */
        double value;
};

void metrics_compose(const struct metric *metrics, size_t count, struct buf *out);

#endif
