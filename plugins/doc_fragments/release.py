# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which releases are known, on which day, and what the inventory knows of enrollment."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  month:
    description:
      - The month that is patched, C(YYYY-MM). Defaults to the month of O(as_of).
    type: str
  as_of:
    description:
      - The day that is taken as today, C(YYYY-MM-DD). Releases after it are not known.
      - Defaults to today in UTC, or to the last day of O(month) when that month is past.
    type: str
  catalogue:
    description:
      - A catalogue file of your own, in the form of C(docs/catalogue.md). Its rows are merged over those of the
        collection.
    type: path
  enrolled:
    description:
      - Whether the server is enrolled for hotpatch, when you know it, from Azure for instance.
      - When left out, the server's own hint is read, and RV(ignore:enrollment.source) says so.
    type: bool
  opted_out:
    description:
      - Whether hotpatch is paused in Azure for this server, which stays enrolled. The server itself does not show it.
    type: bool
"""
