# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The report as one page that needs nothing but a browser: no network, no fonts, no scripts of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import NotSupported

try:
    from jinja2 import Environment
except ImportError:
    Environment = None  # type: ignore[assignment,misc]

#: What each outcome means, and the class that colours it. Colour is never alone: the word stands beside it.
OUTCOMES = {
    "hotpatched": ("got the hotpatch and did not restart", "good"),
    "baselined": ("took the cumulative update with a proven restart", "good"),
    "current": ("had everything already", "good"),
    "skipped": ("left alone in this run", "grey"),
    "refused": ("an update was refused to keep a promise", "warn"),
    "not_eligible": ("may not have hotpatches as it is", "warn"),
    "failed": ("something failed", "bad"),
    "unreachable": ("could not be reached", "bad"),
}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Hotpatch report {{ s.month }}</title>
<style>
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --warn: #9a6700; --bad: #cf222e; --grey: #6e7781; }
@media (prefers-color-scheme: dark) { :root { --good: #3fb950; --warn: #d29922; --bad: #ff7b72; --grey: #9aa4ae; } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 100rem; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; }
p { margin: .3rem 0; }
.lead { font-size: 1.15rem; }
.small { color: var(--grey); font-size: .9rem; }
ul.totals { display: flex; flex-wrap: wrap; gap: .5rem 1.6rem; list-style: none; margin: 1rem 0; padding: 0; }
ul.totals b { font-size: 1.5rem; margin-right: .35rem; }
label { display: block; margin: 1rem 0 .5rem; }
input { font: inherit; padding: .3rem .5rem; width: 22rem; max-width: 100%; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .4rem .6rem; text-align: left; vertical-align: top; }
th button { all: unset; cursor: pointer; font-weight: 600; white-space: nowrap; }
th button:focus-visible { outline: 2px solid; }
th[aria-sort=ascending] button::after { content: " \\2191"; }
th[aria-sort=descending] button::after { content: " \\2193"; }
td.n { font-variant-numeric: tabular-nums; }
td span { white-space: nowrap; }
td:nth-child(2) { min-width: 13rem; }
td:last-child { min-width: 24rem; }
td small { color: var(--grey); display: block; }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); } .grey { color: var(--grey); }
.outcome { font-weight: 600; white-space: nowrap; }
details { margin-top: .3rem; } summary { cursor: pointer; }
details ul { margin: .2rem 0; padding-left: 1.2rem; }
@media print { label { display: none; } body { margin: 0; max-width: none; } }
</style>
</head>
<body>
<h1>Hotpatch report for {{ s.month }}</h1>
<p class="lead">{{ lead }}</p>
<p class="small">As of {{ s.as_of }} (UTC). Catalogue collected {{ s.catalogue.collected }}.
{{ s.catalogue.words }} Written {{ s.written }}.</p>
<ul class="totals">
{%- for name, (words, class) in outcomes.items() if s.totals.get(name) %}
<li class="{{ class }}"><b>{{ s.totals[name] }}</b>{{ name | replace('_', ' ') }}: {{ words }}</li>
{%- endfor %}
</ul>
<label>Filter <input id="filter" type="search" placeholder="server, track, KB, outcome or reason"></label>
<div class="scroll">
<table>
<thead><tr>
{%- for title in ['Server', 'Product', 'Track', 'Build', 'Installed', 'Restarted', 'Outcome', 'Reason'] %}
<th aria-sort="none" scope="col"><button type="button">{{ title }}</button></th>
{%- endfor %}
</tr></thead>
<tbody>
{%- for v in s.servers %}
<tr>
<td class="n">{{ v.name }}</td>
<td>{{ v.product_name or 'unknown' }}<small>{{ enrolled(v) }}</small></td>
<td class="n">{{ change(v.track_before, v.track_after) }}</td>
<td class="n">{{ change(v.build_before, v.build_after) }}</td>
<td class="n">{% for kb in v.kbs_installed %}<span>{{ kb }}</span> {% else %}-{% endfor %}</td>
<td class="n">{{ 'unknown' if v.restarted is none else 'yes' if v.restarted else 'no' }}</td>
<td class="outcome {{ outcomes[v.outcome][1] }}">{{ v.outcome | replace('_', ' ') }}</td>
<td>{{ v.reason }}
{%- if v.blockers %}
<details><summary>What blocks hotpatching ({{ v.blockers | length }})</summary><ul>
{%- for blocker in v.blockers %}
<li>{{ blocker.words }} {{ blocker.fix or '' }}</li>
{%- endfor %}
</ul></details>
{%- endif %}
{%- if v.receipt %}
<details><summary>Evidence</summary><ul>
{%- for install in v.receipt.installs %}
{%- for w in install.witnesses_before + install.witnesses_after %}
<li>{{ w.name | replace('_', ' ') }}: {{ w.answer }}. {{ w.words }}</li>
{%- endfor %}
{% endfor -%}
{%- if v.receipt.restart %}
<li>Up since {{ v.receipt.restart.boot_time_after }}, before since {{ v.receipt.restart.boot_time_before }}.</li>
{%- for stage in v.receipt.restart.stages or [] %}<li>{{ stage.name }}: {{ stage.seconds }} s</li>{% endfor -%}
{%- endif %}
</ul></details>
{%- endif %}
</td>
</tr>
{%- endfor %}
</tbody>
</table>
</div>
<script>
"use strict";
const body = document.querySelector("tbody"), rows = [...body.rows];
document.getElementById("filter").addEventListener("input", event => {
  const wanted = event.target.value.toLowerCase();
  for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
});
document.querySelectorAll("th").forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
  const up = head.getAttribute("aria-sort") !== "ascending";
  document.querySelectorAll("th").forEach(other => other.setAttribute("aria-sort", "none"));
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const text = row => row.cells[column].textContent;
  rows.sort((a, b) => (up ? 1 : -1) * text(a).localeCompare(text(b), undefined, {numeric: true}));
  body.append(...rows);
}));
</script>
</body>
</html>
"""


def lead_sentence(summary: Mapping[str, Any]) -> str:
    """The one sentence on top."""
    totals = summary["totals"]
    well = sum(totals.get(name, 0) for name in ("hotpatched", "baselined", "current"))
    parts = [f"{well} of {len(summary['servers'])} servers have the security updates of {summary['month']}"]
    for name, words in (
        ("failed", "failed"),
        ("unreachable", "could not be reached"),
        ("refused", "were refused an update"),
        ("not_eligible", "may not have hotpatches as they are"),
        ("skipped", "were left alone"),
    ):
        if totals.get(name):
            parts.append(f"{totals[name]} {words if totals[name] != 1 else words.replace('were', 'was', 1)}")
    return "; ".join(parts) + "."


def page(summary: Mapping[str, Any]) -> str:
    """The report as HTML. Everything that came from a server is escaped.

    :param summary: what ``summary.json`` holds.
    :raises NotSupported: Jinja2 is not there.
    """
    if Environment is None:
        raise NotSupported(
            "The HTML report needs the Python package Jinja2, which comes with ansible-core.",
            hint="Write the report on the controller.",
        )
    template = Environment(autoescape=True, trim_blocks=True).from_string(_PAGE)
    return template.render(
        s=summary, outcomes=OUTCOMES, lead=lead_sentence(summary), change=_change, enrolled=_enrolled
    )


def _enrolled(server: Mapping[str, Any]) -> str:
    """Whether it is enrolled and who says so: until Azure is asked, that is a hint or the inventory."""
    words = {True: "enrolled", False: "not enrolled", None: "enrollment unknown"}[server["enrolled"]]
    return words if server["enrolled"] is None else f"{words} ({server['enrolled_source']})"


def _change(before: str | None, after: str | None) -> str:
    if before == after or after is None:
        return before or "unknown"
    return f"{before or 'unknown'} \N{RIGHTWARDS ARROW}\N{NO-BREAK SPACE}{after}"
