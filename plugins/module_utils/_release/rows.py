# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The releases this collection knows, each with the evidence it rests on.

Evidence: ``documented`` is a page or title of Microsoft, ``secondary`` is somebody else quoting Microsoft. A field that
no source names is None. A hotpatch row carries the ordinary update (LCU) of its month as well, which takes a server off
the hotpatch track; a baseline row has an LCU alone, because the baseline *is* that month's LCU. ``LCU_ONLY`` rows are
months whose kind no source settles: they stay holes.
"""

from __future__ import annotations

from datetime import date

from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build
from ansible_collections.winops.hotpatch.plugins.module_utils._release.releases import (
    CLIENT_11,
    SERVER_2022_AZURE,
    SERVER_2025,
    PlannedRelease,
    Release,
    ReleaseType,
    Rows,
    month_from,
)

COLLECTED = date(2026, 11, 22)
CALENDAR_PAGE_STATE = date(2026, 5, 13)

BASELINE = ReleaseType.BASELINE
HOTPATCH = ReleaseType.HOTPATCH
UNPLANNED = ReleaseType.UNPLANNED_BASELINE
OOB = ReleaseType.OUT_OF_BAND
LCU_ONLY = ReleaseType.LCU_ONLY
DOC = "documented"
SEC = "secondary"

FIRST_BASELINE = (
    "yamanxworld blog, 2024-12-23; absent from the server calendar, which starts 2024-11; day is the second Tuesday"
)
RELEASE_INFO = "windows-server-release-info (Microsoft release health), page state of 2026-05-13"
ARC_PAGE = "windowsserverdocs, hotpatch for Arc, 2025-10-30, known issues"
ARC_PAGE_WSUS = (
    "windowsserverdocs, hotpatch for Arc, 2025-10-30, known issues; WSUS-only, keeps the October baseline hotpatchable"
)
APRIL_2026_LCU = "navanem.com/kb/KB5091157 quoting Microsoft Support; julbietechnews.com 2026-04-20"
APRIL_2026_HOTPATCH = "julbietechnews.com 2026-04-20 (19 or 20 April; here the hotpatch build is above the LCU build)"
SERVER_INFO_JUNE_2026 = (
    "windows-server-release-info excerpt of August 2026 (vuls-data-update fixtures); the "
    "calendar of May 2026 had planned a hotpatch"
)
SERVER_INFO_AUGUST_2026 = "windows-server-release-info excerpt of August 2026 (vuls-data-update fixtures)"
CHANGELOG_AND_INFO = (
    "third-party changelog citing MSRC CVRF 2026-Aug; LCU also in the August 2026 excerpt of "
    "windows-server-release-info"
)
WSUS_CVE_SCRIPT = "LCU: windows-server-release-info; hotpatch KB: comment in a public CVE-2025-59287 script"
JANUARY_2026_TITLES = "support.microsoft.com titles; LCU: windows-server-release-info"
APRIL_2026_BOTH = "julbietechnews.com 2026-04-20 (19 or 20 April)"
CHANGELOG = "third-party changelog citing MSRC CVRF 2026-Aug and support.microsoft.com"
CHANGELOG_AND_CVRF = "third-party changelog citing MSRC CVRF 2026-Aug; hotpatch build from third-party CVRF data"
PREVIEW_NEWS = "windowsnews.ai on the Windows 11 hotpatch preview; build from windows-server-release-info"
FORUM_365908 = "windowsforum.com thread 365908 quoting Microsoft Support"
FORUM_366476 = "windowsforum.com thread 366476 quoting Microsoft Support"
TITLES = "support.microsoft.com article titles, quoted in a public scraper"
FORUM_390449 = "windowsforum.com thread 390449 quoting Microsoft Support"
CLIENT_INFO = "windows11-release-information excerpt (vuls-data-update fixtures)"
CLIENT_INFO_AND_TITLES = (
    "windows11-release-information excerpt (vuls-data-update fixtures); support.microsoft.com article titles"
)
RRAS_TITLE = "support.microsoft.com title and address (RRAS, CVE-2026-25172)"
WEEKLY_AND_TITLES = "endpointweekly.com 2026-06-26; date from support.microsoft.com article titles"
TITLES_AND_SCAN = "support.microsoft.com article titles, quoted in a public scraper; LCU KB from a scan report"
WEEKLY = "endpointweekly.com 2026-06-26"
UNSETTLED_JULY = (
    "kind unsettled: the calendar of May 2026 planned a baseline, a weekly of 2026-06-26 expects one for the client, "
    "and a later excerpt says hotpatch without naming a KB"
)


def _builds(text: str | None) -> tuple[Build, ...]:
    return tuple(Build.parse(part) for part in text.split(" / ")) if text else ()


def _row(
    product: str,
    when: str,
    kind: ReleaseType,
    hotpatch_kb: str | None,
    hotpatch_build: str | None,
    lcu_kb: str | None,
    lcu_build: str | None,
    evidence: str,
    source: str,
    breaks: bool | None = None,
    note: str | None = None,
) -> Release:
    return Release(
        product=product,
        month=month_from(when),
        type=kind,
        day=date.fromisoformat(when) if len(when) == 10 else None,
        hotpatch_kb=hotpatch_kb,
        hotpatch_builds=_builds(hotpatch_build),
        lcu_kb=lcu_kb,
        lcu_builds=_builds(lcu_build),
        breaks_hotpatch=breaks,
        evidence=evidence,
        source=source,
        note=note,
    )


# fmt: off
RELEASES: tuple[Release, ...] = (
    # product, day (or month), kind, hotpatch KB, hotpatch build, LCU KB, LCU build, evidence, source
    _row(SERVER_2025, "2024-10-08", BASELINE, None, None, "KB5044284", "26100.2033", SEC, FIRST_BASELINE),
    _row(SERVER_2025, "2024-11-12", HOTPATCH, "KB5046696", "26100.2240", "KB5046617", "26100.2314", DOC, RELEASE_INFO),
    _row(SERVER_2025, "2024-12-10", HOTPATCH, "KB5048794", "26100.2528", "KB5048667", "26100.2605", DOC, RELEASE_INFO),
    _row(SERVER_2025, "2025-01-14", BASELINE, None, None, "KB5050009", "26100.2894", DOC, RELEASE_INFO),
    _row(SERVER_2025, "2025-02-11", HOTPATCH, "KB5052105", "26100.3107", "KB5051987", "26100.3194", DOC, RELEASE_INFO),
    _row(SERVER_2025, "2025-03-11", HOTPATCH, "KB5053636", "26100.3403", "KB5053598", "26100.3476", DOC, RELEASE_INFO),
    _row(SERVER_2025, "2025-04-08", BASELINE, None, None, "KB5055523", "26100.3775", DOC, RELEASE_INFO),
    _row(SERVER_2025, "2025-05-13", HOTPATCH, "KB5058497", "26100.3981", "KB5058411", "26100.4061", DOC, RELEASE_INFO),
    _row(SERVER_2025, "2025-06-10", HOTPATCH, "KB5060841", "26100.4270", "KB5060842", "26100.4349", DOC, RELEASE_INFO),
    _row(SERVER_2025, "2025-07-08", BASELINE, None, None, "KB5062553", "26100.4652", DOC, RELEASE_INFO),
    _row(SERVER_2025, "2025-08-12", HOTPATCH, "KB5064010", "26100.4851", "KB5063878", "26100.4946", DOC, RELEASE_INFO),
    _row(SERVER_2025, "2025-09-09", HOTPATCH, "KB5065474", "26100.6508", "KB5065426", "26100.6584", DOC, RELEASE_INFO),
    _row(SERVER_2025, "2025-10-14", BASELINE, None, None, "KB5066835", "26100.6899", DOC, RELEASE_INFO),
    _row(SERVER_2025, "2025-10-23", OOB, None, None, "KB5070881", "26100.6905", DOC, ARC_PAGE, breaks=True),
    _row(SERVER_2025, "2025-10-24", OOB, "KB5070893", "26100.6905", None, None, DOC, ARC_PAGE_WSUS, breaks=False),
    _row(SERVER_2025, "2025-11-11", HOTPATCH, "KB5068966", "26100.7092", "KB5068861", "26100.7171", DOC, RELEASE_INFO),
    _row(SERVER_2025, "2025-12-09", HOTPATCH, "KB5072014", "26100.7392", "KB5072033", "26100.7462", DOC, RELEASE_INFO),
    _row(SERVER_2025, "2026-01-13", BASELINE, None, None, "KB5073379", "26100.32230", DOC, RELEASE_INFO),
    _row(SERVER_2025, "2026-02-10", HOTPATCH, "KB5075942", "26100.32313", "KB5075899", "26100.32370",
         DOC, RELEASE_INFO),
    _row(SERVER_2025, "2026-03-10", HOTPATCH, "KB5078736", "26100.32463", "KB5078740", "26100.32522",
         DOC, RELEASE_INFO),
    _row(SERVER_2025, "2026-04-14", BASELINE, None, None, "KB5082063", "26100.32690", DOC, RELEASE_INFO),
    _row(SERVER_2025, "2026-04-19", OOB, None, None, "KB5091157", "26100.32698", SEC, APRIL_2026_LCU),
    _row(SERVER_2025, "2026-04", OOB, "KB5091470", "26100.32704", None, None, SEC, APRIL_2026_HOTPATCH),
    _row(SERVER_2025, "2026-05-12", HOTPATCH, "KB5087423", "26100.32772", "KB5087539", "26100.32860",
         DOC, RELEASE_INFO),
    _row(SERVER_2025, "2026-06-09", UNPLANNED, None, None, "KB5094125", "26100.32995", SEC, SERVER_INFO_JUNE_2026),
    _row(SERVER_2025, "2026-07-14", LCU_ONLY, None, None, "KB5099536", "26100.33158",
         SEC, SERVER_INFO_AUGUST_2026, note=UNSETTLED_JULY),
    _row(SERVER_2025, "2026-08-11", HOTPATCH, "KB5120228", None, "KB5120233", "26100.33296", SEC, CHANGELOG_AND_INFO),
    _row(SERVER_2022_AZURE, "2022-01-11", LCU_ONLY, None, None, "KB5009555", "20348.469", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2022-02-08", LCU_ONLY, None, None, "KB5010354", "20348.524", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2022-03-08", LCU_ONLY, None, None, "KB5011497", "20348.587", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2022-04-12", LCU_ONLY, None, None, "KB5012604", "20348.643", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2022-05-10", LCU_ONLY, None, None, "KB5013944", "20348.707", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2022-06-14", LCU_ONLY, None, None, "KB5014678", "20348.768", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2022-07-12", LCU_ONLY, None, None, "KB5015827", "20348.825", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2022-08-09", LCU_ONLY, None, None, "KB5016627", "20348.887", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2022-09-13", LCU_ONLY, None, None, "KB5017316", "20348.1006", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2022-10-11", LCU_ONLY, None, None, "KB5018421", "20348.1129", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2022-11-08", LCU_ONLY, None, None, "KB5019081", "20348.1249", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2022-12-13", LCU_ONLY, None, None, "KB5021249", "20348.1366", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2023-01-10", LCU_ONLY, None, None, "KB5022291", "20348.1487", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2023-02-14", LCU_ONLY, None, None, "KB5022842", "20348.1547", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2023-03-14", LCU_ONLY, None, None, "KB5023705", "20348.1607", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2023-04-11", LCU_ONLY, None, None, "KB5025230", "20348.1668", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2023-05-09", LCU_ONLY, None, None, "KB5026370", "20348.1726", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2023-06-13", LCU_ONLY, None, None, "KB5027225", "20348.1787", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2023-07-11", LCU_ONLY, None, None, "KB5028171", "20348.1850", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2023-08-08", LCU_ONLY, None, None, "KB5029250", "20348.1906", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2023-09-12", LCU_ONLY, None, None, "KB5030216", "20348.1970", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2023-10-10", LCU_ONLY, None, None, "KB5031364", "20348.2031", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2023-11-14", LCU_ONLY, None, None, "KB5032198", "20348.2113", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2023-12-12", LCU_ONLY, None, None, "KB5033118", "20348.2159", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2024-01-09", BASELINE, None, None, "KB5034129", "20348.2227", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2024-02-13", HOTPATCH, "KB5034860", "20348.2277", "KB5034770", "20348.2322",
         DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2024-03-12", HOTPATCH, "KB5035959", "20348.2333", "KB5035857", "20348.2340",
         DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2024-04-09", BASELINE, None, None, "KB5036909", "20348.2402", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2024-05-14", HOTPATCH, "KB5037848", "20348.2458", "KB5037782", "20348.2461",
         DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2024-06-11", HOTPATCH, "KB5039330", "20348.2522", "KB5039227", "20348.2527",
         DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2024-07-09", BASELINE, None, None, "KB5040437", "20348.2582", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2024-08-13", UNPLANNED, None, None, "KB5041160", "20348.2655", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2024-09-10", HOTPATCH, "KB5042880", "20348.2695", "KB5042881", "20348.2700",
         DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2024-10-08", BASELINE, None, None, "KB5044281", "20348.2762", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2024-11-12", HOTPATCH, "KB5046698", "20348.2819", "KB5046616", "20348.2849",
         DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2024-12-10", HOTPATCH, "KB5048800", "20348.2908", "KB5048654", "20348.2966",
         DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2025-01-14", BASELINE, None, None, "KB5049983", "20348.3091", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2025-02-11", HOTPATCH, "KB5052106", "20348.3148", "KB5051979", "20348.3207",
         DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2025-03-11", HOTPATCH, "KB5053638", "20348.3270", "KB5053603", "20348.3328",
         DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2025-04-08", BASELINE, None, None, "KB5055526", "20348.3453", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2025-05-13", HOTPATCH, "KB5058500", "20348.3630", "KB5058385", "20348.3692",
         DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2025-06-10", HOTPATCH, "KB5060525", "20348.3745", "KB5060526", "20348.3807",
         DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2025-07-08", BASELINE, None, None, "KB5062572", "20348.3932", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2025-08-12", HOTPATCH, "KB5063812", "20348.3989", "KB5063880", "20348.4052",
         DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2025-09-09", HOTPATCH, "KB5065306", "20348.4106", "KB5065432", "20348.4171",
         DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2025-10-14", BASELINE, None, None, "KB5066782", "20348.4294", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2025-10", OOB, "KB5070892", None, "KB5070884", "20348.4297", SEC, WSUS_CVE_SCRIPT),
    _row(SERVER_2022_AZURE, "2025-11-11", HOTPATCH, "KB5068840", "20348.4346", "KB5068787", "20348.4405",
         DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2025-12-09", HOTPATCH, "KB5071413", "20348.4467", "KB5071547", "20348.4529",
         DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2026-01-13", BASELINE, None, None, "KB5073457", "20348.4648", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2026-01-24", OOB, "KB5078238", "20348.4655", "KB5078136", "20348.4651",
         DOC, JANUARY_2026_TITLES),
    _row(SERVER_2022_AZURE, "2026-02-10", HOTPATCH, "KB5075943", "20348.4711", "KB5075906", "20348.4773",
         DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2026-03-10", HOTPATCH, "KB5078737", "20348.4830", "KB5078766", "20348.4893",
         DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2026-04-14", BASELINE, None, None, "KB5082142", "20348.5020", DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2026-04", OOB, "KB5091576", "20348.5029", "KB5091575", "20348.5024", SEC, APRIL_2026_BOTH),
    _row(SERVER_2022_AZURE, "2026-05-12", HOTPATCH, "KB5087424", "20348.5074", "KB5087545", "20348.5139",
         DOC, RELEASE_INFO),
    _row(SERVER_2022_AZURE, "2026-06-09", LCU_ONLY, None, None, "KB5094128", "20348.5256",
         SEC, CHANGELOG, note="hotpatch or unplanned baseline not sourced for this product"),
    _row(SERVER_2022_AZURE, "2026-07-14", LCU_ONLY, None, None, "KB5099540", None,
         SEC, CHANGELOG, note="type not sourced; Microsoft planned a baseline; the day is the product-wide July day"),
    _row(SERVER_2022_AZURE, "2026-08-11", HOTPATCH, "KB5120229", "20348.5440", "KB5120242", "20348.5499",
         SEC, CHANGELOG_AND_CVRF),
    _row(CLIENT_11, "2024-11-12", HOTPATCH, "KB5046696", "26100.2240", None, None, SEC, PREVIEW_NEWS),
    _row(CLIENT_11, "2025-05-13", HOTPATCH, "KB5058497", "26100.3981", None, None, SEC, FORUM_365908),
    _row(CLIENT_11, "2025-05-16", OOB, "KB5061258", "26100.3983", None, None, SEC, FORUM_366476),
    _row(CLIENT_11, "2025-09-09", HOTPATCH, "KB5065474", "26100.6508", None, None, DOC, TITLES),
    _row(CLIENT_11, "2025-11-20", OOB, "KB5072753", "26200.7093", None, None, SEC, FORUM_390449),
    _row(CLIENT_11, "2025-12-09", HOTPATCH, "KB5072014", "26200.7392 / 26100.7392", None, None, DOC, TITLES),
    _row(CLIENT_11, "2026-01-13", BASELINE, None, None, "KB5074109", "26100.7623", DOC, CLIENT_INFO),
    _row(CLIENT_11, "2026-02-10", HOTPATCH, "KB5077212", "26200.7781 / 26100.7781", None, None, DOC, CLIENT_INFO),
    _row(CLIENT_11, "2026-03-10", HOTPATCH, "KB5079420", "26200.7979 / 26100.7979", None, None,
         DOC, CLIENT_INFO_AND_TITLES),
    _row(CLIENT_11, "2026-03-13", OOB, "KB5084597", "26200.7982 / 26100.7982", None, None, DOC, RRAS_TITLE),
    _row(CLIENT_11, "2026-03-16", OOB, "KB5084897", None, None, None, DOC, TITLES),
    _row(CLIENT_11, "2026-04-14", BASELINE, None, None, "KB5083769", None, SEC, WEEKLY_AND_TITLES),
    _row(CLIENT_11, "2026-05-12", HOTPATCH, "KB5089466", "26200.8390 / 26100.8390", "KB5089549", None,
         DOC, TITLES_AND_SCAN),
    _row(CLIENT_11, "2026-06-09", UNPLANNED, None, None, "KB5094126", None, SEC, WEEKLY),
    _row(CLIENT_11, "2026-07-14", LCU_ONLY, None, None, "KB5101650", "26200.8875",
         DOC, CLIENT_INFO, note="planned baseline"),
    _row(CLIENT_11, "2026-08-11", LCU_ONLY, None, None, "KB5121003", "26200.9168 / 26100.9168",
         DOC, CLIENT_INFO, note="a hotpatch KB5120994 exists in the client calendar; its month was not readable"),
)
# fmt: on

PLANNED: tuple[PlannedRelease, ...] = tuple(
    PlannedRelease(product, month, kind, RELEASE_INFO, CALENDAR_PAGE_STATE)
    for product in (SERVER_2025, SERVER_2022_AZURE)
    for month, kind in (
        ("2026-06", HOTPATCH),
        ("2026-07", BASELINE),
        ("2026-08", HOTPATCH),
        ("2026-09", HOTPATCH),
        ("2026-10", BASELINE),
        ("2026-11", HOTPATCH),
        ("2026-12", HOTPATCH),
    )
)

SHIPPED = Rows(RELEASES, PLANNED, COLLECTED, "the catalogue of this collection")
