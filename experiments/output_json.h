/* SPDX-License-Identifier: MIT
 *
 * output_json - figures as JSON; private to output. A figure that is not available is null.
 */
#ifndef TY_EXPERIMENTS_OUTPUT_JSON_H
#define TY_EXPERIMENTS_OUTPUT_JSON_H

#include "experiments/engine.h"

struct json_t;

/* What run.json begins with: versions, host, empty "options" and "runs". */
struct json_t *ty_json_header(const char *command, const char *begun);
/* One run: row, ranks, loss history; trace: name of its timeline or "". */
struct json_t *ty_json_run(const ty_point *p, const ty_result *r, const char *trace);
/* Add "rows" to o: every row as an object. */
void ty_json_rows(struct json_t *o, const ty_row *row, size_t n);

#endif
