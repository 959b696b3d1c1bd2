#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What an event says: every reason to close but those of TLS, every stage that denies, all fields.
# The rows are in 64-event-logging.py.

. "${top_srcdir:-.}/t/e2e/lib.sh"

need python3
export POSTERN MODULE_DIR TOOLS_DIR
free_ports PUBLIC RAW HASTY DENIES UPSTREAM
python_test 64-event-logging.py "$WORK" "$PUBLIC" "$RAW" "$HASTY" "$DENIES" "$UPSTREAM"
