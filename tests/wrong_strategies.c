/* SPDX-License-Identifier: MIT */
#include "tests/conformance.h"
