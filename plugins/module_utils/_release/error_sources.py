# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The shape of an error row, its three classes, and where the names and codes were read.

The meanings and remedies are this collection's own words.
"""

from __future__ import annotations

from typing import Optional

# code, name, meaning, class, remedy, source
Row = tuple[int, str, str, str, Optional[str], str]  # noqa: UP045 - pylint takes "|" for an operation here

# The same call may succeed later, tried again with a limit.
RETRY = "retry"
# Something has to be changed first.
FIX = "fix"
# Repeating gives the same answer: final results, success codes included.
STOP = "stop"

BITS = "Windows SDK 22000 bitsmsg.h"
CBS = "public table of CBS names"
CBS_TWICE = "public table of CBS names; second public source agrees"
COMMON_ERRORS = "Microsoft Learn, Windows Update common errors"
DELIVERY = "Microsoft Learn, Delivery Optimization return values"
PUBLIC_CODE = "public code, two independent tables"
WINERROR = "Windows SDK 22000 winerror.h"
WINERROR_WIN32 = "Windows SDK 22000 winerror.h, as HRESULT_FROM_WIN32"
WINHTTP_WIN32 = "Windows SDK 22000 winhttp.h, as HRESULT_FROM_WIN32"
WUERROR = "Windows SDK 22000 wuerror.h"
WUERROR_NEWER = "newer Windows SDK wuerror.h"
