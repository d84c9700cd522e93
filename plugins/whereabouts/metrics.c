/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values have 15 digits: what a double surely keeps. Whole numbers, as most are, have no point.
 */
#include "metrics.h"

#include <string.h>

static const char *kind_name(enum metric_kind kind)
{
        return kind == METRIC_COUNTER ? "counter" : "gauge";
}

void metrics_compose(const struct metric *metrics, size_t count, struct buf *out)
{
        for (size_t i = 0; i < count; i++) {
                const struct metric *m = &metrics[i];

                if (i == 0 || strcmp(metrics[i - 1].name, m->name) != 0)
                        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name,
                                   kind_name(m->kind));
                buf_puts(out, m->name);
                if (m->labels)
                        buf_printf(out, "{%s}", m->labels);
                buf_printf(out, " %.15g\n", m->value);
        }
}
