/* SPDX-License-Identifier: MIT
 *
 * output_half - private to output: the file that another program (gnuplot) is writing for us now; "" when there is none.
 * An interrupt removes it.
 */
#ifndef TY_EXPERIMENTS_OUTPUT_HALF_H
#define TY_EXPERIMENTS_OUTPUT_HALF_H

extern char ty_output_half[1200];

#endif
