/* SPDX-License-Identifier: MIT
 *
 * clock - the time that measurements use.
 */
#ifndef TY_BASE_CLOCK_H
#define TY_BASE_CLOCK_H

/* [s] since some moment in the past; never goes back. The same clock in every process of a host. */
double ty_clock(void);

#endif
