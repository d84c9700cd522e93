/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_YAML_H
#define HTTP_YAML_H

/*
 * YAML (and so JSON) text as a JSON document, for files that people write: one decoder for
 * everything. Beside json.c the only module that names cJSON, and the only one that names libyaml.
 *
 * One document of maps, sequences and scalars, with aliases refused, since a few lines of them can
 * stand for gigabytes. Scalars get YAML 1.2's core types when plain, and are text when quoted.
 */

#include "core/err.h"
#include "core/json.h"

/* Parses a whole file. An empty one is null. An error is CNI_ERR_DECODE and names the line. Depth
 * and the number of nodes are bounded. The tree belongs to the caller (json_free()). */
int yaml_parse(const char *text, size_t len, struct json **ret, struct err *err);

#endif
