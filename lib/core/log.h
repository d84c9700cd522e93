/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

/*
 * Log lines, for mains and daemons only: library code returns errors and never logs.
 *
 * A line goes to stderr; when that is the journal it starts with the journal's "<n>" priority, else
 * with date and time. A file can be set in its place. No line ever holds a
 * credential.
 */

#include "core/err.h"

enum log_level {
        LOG_LEVEL_ERROR,
        LOG_LEVEL_WARNING,
        LOG_LEVEL_INFO,
        LOG_LEVEL_DEBUG,
};

/* Lines above this level are dropped. The start value is LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

/* The same by the words of Go's programs: "debug", "verbose", "error", "panic". Others, "verbose"
 * among them, leave the level as it is. */
void log_set_level_by_name(const char *name);

/* Appends to a file from now on (created with mode 0600; no symlink is followed at its end). */
int log_set_file(const char *path, struct err *err);

/* The same for a path that somebody else has chosen: no symlink is followed anywhere on the way. */
int log_set_file_strictly(const char *path, struct err *err);

void log_line(enum log_level level, const char *fmt, ...) _printf_(2, 3);

#endif
