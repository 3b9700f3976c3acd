# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is chosen of what is offered, as tables: lists, classifications, other updates, licences, repeated offers."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.module_utils._errors import InvalidInput
from ansible_collections.winops.hotpatch.plugins.module_utils._release.builds import Build
from ansible_collections.winops.hotpatch.plugins.module_utils._release.catalogue import Catalogue
from ansible_collections.winops.hotpatch.plugins.module_utils._release.choice import (
    Choice,
    Selection,
    Why,
    choose,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.classifications import (
    CLASSIFICATIONS,
    classifications_of,
    is_driver,
)
from ansible_collections.winops.hotpatch.plugins.module_utils._release.products import identify_product
from ansible_collections.winops.hotpatch.plugins.module_utils._release.tracks import Standing, standing

STANDARD = identify_product(26100, 3, "ServerStandard", 7, "Server")
DRIVER_ID = "11111111-2222-4333-8444-555555555555"


def server(day: str, ubr: int, *kbs: str, enrolled: bool | None = True) -> tuple[Standing, Catalogue]:
    known = Catalogue.shipped(date.fromisoformat(day))
    return standing(STANDARD, Build(26100, ubr), kbs, enrolled, None, known), known


def offer(kb: str, title: str = "", *classes: str, **keys: Any) -> dict[str, Any]:
    return {
        "update_id": f"00000000-0000-0000-0000-{kb.removeprefix('KB') or 0:0>12}",
        "revision": 200,
        "title": title or f"Sicherheitsupdate ({kb})",
        "kbs": [kb.removeprefix("KB")] if kb else [],
        # Names are translated, ids are not; the case of an id means nothing.
        "categories": [{"id": CLASSIFICATIONS[name].upper(), "name": "Sicherheitsupdates"} for name in classes],
        "type": 1,
        "eula_accepted": True,
        **keys,
    }


BASELINE = offer("KB5066835", "", "security_updates")
HOTPATCH = offer("KB5072014", "", "security_updates")
DOTNET = offer("KB5066131", "2025-10 Cumulative Update for .NET Framework (KB5066131)", "updates")
TOOL = offer("KB890830", "", "update_rollups")
DEFENDER = offer("KB2267602", "", "definition_updates")
DRIVER = offer("", "Contoso - Net - 1.2.3.4", "drivers", update_id=DRIVER_ID, type=2)
STRANGER = offer("KB5099999", "", "security_updates")
OFFERED = [BASELINE, DOTNET, TOOL, DEFENDER, DRIVER, STRANGER]

MISSED = ("2025-10-20", 6508)  # September 2025: the October baseline is due
CURRENT = ("2025-10-20", 6899)
BEHIND = ("2025-12-20", 7092)


def chosen(choice: Choice) -> list[str]:
    return [each.verdict.kb or str(each.update["update_id"]) for each in choice.selected]


def why(choice: Choice) -> dict[str, str]:
    return {each.verdict.kb or str(each.update["update_id"]): str(each.why) for each in choice.refused}


BASELINE_CASES = [
    # what is asked for -> what is chosen
    ({}, ["KB5066835"]),
    ({"other_updates": "with_baseline"}, ["KB5066835", "KB5066131", "KB890830", "KB2267602", DRIVER_ID]),
    ({"other_updates": "with_baseline", "exclude": ["890830", DRIVER_ID.upper()]},
     ["KB5066835", "KB5066131", "KB2267602"]),
    ({"other_updates": "with_baseline", "classifications": ["security_updates", "drivers"]}, ["KB5066835", DRIVER_ID]),
    ({"classifications": ["security_updates"]}, ["KB5066835"]),
    ({"classifications": ["updates"]}, []),
    ({"classifications": ["updates"], "other_updates": "with_baseline"}, []),  # no baseline beside
    ({"include": ["KB5066131"]}, ["KB5066131"]),
    ({"include": ["KB5066131", "KB5066835"]}, ["KB5066835", "KB5066131"]),
    ({"include": [DRIVER_ID]}, [DRIVER_ID]),
    ({"include": ["KB5099999"]}, []),
    ({"exclude": ["KB5066835"], "other_updates": "with_baseline"}, []),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "expected"), BASELINE_CASES)
def test_what_is_installed_with_a_baseline(asked: dict[str, Any], expected: list[str]) -> None:
    choice = choose(OFFERED, "baseline", *server(*MISSED), Selection.read(**asked))
    assert chosen(choice) == expected
    assert len(choice.selected) + len(choice.refused) == len(OFFERED)


@pytest.mark.parametrize("asked", [{}, {"other_updates": "with_baseline"}, {"include": ["KB5066131", DRIVER_ID]}])
def test_others_are_never_installed_where_no_restart_is_promised(asked: dict[str, Any]) -> None:
    offered = [HOTPATCH, DOTNET, TOOL, DEFENDER, DRIVER]
    choice = choose(offered, "hotpatch_only", *server(*BEHIND), Selection.read(**asked))
    assert set(chosen(choice)) <= {"KB5072014"}
    assert why(choice)["KB5066131"] == "not_a_hotpatch"


def test_others_wait_for_the_next_baseline() -> None:
    choice = choose([DOTNET, TOOL], "baseline", *server(*CURRENT), Selection.read(other_updates="with_baseline"))
    assert chosen(choice) == []
    assert why(choice) == {"KB5066131": "no_baseline_beside", "KB890830": "no_baseline_beside"}
    assert "one restart serves both" in str(choice.refused[0].refused)


def test_every_refusal_says_what_to_do_in_words_and_in_a_word() -> None:
    choice = choose(OFFERED, "baseline", *server(*MISSED))
    assert why(choice) == {
        "KB5066131": "not_named",
        "KB890830": "not_named",
        "KB2267602": "not_named",
        DRIVER_ID: "not_named",
        "KB5099999": "unknown",
    }
    for each in choice.as_dict()["refused"]:
        assert each["refused"] and each["class"] in ("fix", "stop") and each["remedy"]
    (selected,) = choice.as_dict()["selected"]
    assert (selected["refused"], selected["why"], selected["class"], selected["remedy"]) == (None,) * 4
    assert selected["classifications"] == ["security_updates"]


def test_every_reason_has_a_class() -> None:
    for reason in Why:
        each = choose([STRANGER], "baseline", *server(*MISSED)).refused[0].refuse(reason, "words")
        assert each.as_dict()["class"] in ("retry", "fix", "stop")


def test_licence_terms_that_nobody_accepted() -> None:
    asks = {**HOTPATCH, "eula_accepted": False}
    unknown = {**HOTPATCH, "eula_accepted": None}
    where = server(*BEHIND)
    assert chosen(choose([asks], "hotpatch_only", *where)) == ["KB5072014"]
    for update in (asks, unknown):
        choice = choose([update], "hotpatch_only", *where, Selection.read(accept_eula=False))
        assert why(choice) == {"KB5072014": "licence"}
    assert chosen(choose([HOTPATCH], "hotpatch_only", *where, Selection.read(accept_eula=False))) == ["KB5072014"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"include": ["KB5072014"], "exclude": ["5072014"]}, "both lists"),
        ({"include": [DRIVER_ID], "exclude": [DRIVER_ID.upper()]}, "both lists"),
        ({"include": ["*Defender*"]}, "titles are translated"),
        ({"exclude": ["KB1"]}, "not a KB or an update id"),
        ({"classifications": ["SecurityUpdates"]}, "no classification"),
    ],
)
def test_what_cannot_be_meant_is_an_error(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Selection.read(**asked)
    assert words in caught.value.sentence()


def test_an_empty_field_of_a_survey_names_nothing_and_an_empty_text_among_others_is_a_mistake() -> None:
    assert Selection.read(include=[""], exclude=[" "]) == Selection.read()
    with pytest.raises(InvalidInput):
        Selection.read(exclude=["KB5072014", ""])


def test_classifications_by_their_ids_alone() -> None:
    assert classifications_of(BASELINE) == ("security_updates",)
    assert classifications_of({"categories": [{"id": "", "name": "Security Updates"}, {"name": "Drivers"}]}) == ()
    assert classifications_of({}) == ()
    assert len(set(CLASSIFICATIONS.values())) == len(CLASSIFICATIONS)
    assert is_driver(DRIVER) and is_driver({"type": 2}) and is_driver(offer("", "x", "drivers"))
    assert not is_driver(DOTNET)


# ---- what is offered although it was installed


def row(update: dict[str, Any], code: int = 2, operation: int = 1, **keys: Any) -> dict[str, Any]:
    return {
        "update_id": update["update_id"],
        "revision": update["revision"],
        "operation": operation,
        "result_code": code,
        "date": "2025-11-12T03:07:31Z",
        **keys,
    }


INSTALLED = ("2025-12-20", 7392)
ROLLED_BACK = row(HOTPATCH, 4, hresult="0x800F0922")
AGAIN = [
    # offered, where the server stands, its history -> flagged, chosen
    (HOTPATCH, INSTALLED, None, True, False),  # by the build alone
    (HOTPATCH, INSTALLED, [row(HOTPATCH)], True, False),
    (HOTPATCH, BEHIND, None, False, True),
    (HOTPATCH, BEHIND, [], False, True),
    (HOTPATCH, BEHIND, [row(HOTPATCH)], False, True),  # taken off by DISM, which leaves no row
    (HOTPATCH, BEHIND, [row(HOTPATCH), row(HOTPATCH)], True, False),  # it does not stick
    (HOTPATCH, BEHIND, [row(HOTPATCH, 4), row(HOTPATCH, 4), row(HOTPATCH)], False, True),
    (HOTPATCH, BEHIND, [row(HOTPATCH, operation=2), row(HOTPATCH), row(HOTPATCH)], False, True),
    (HOTPATCH, BEHIND, [row(HOTPATCH, revision=199), row(HOTPATCH)], False, True),
    (HOTPATCH, BEHIND, [row(TOOL), row(TOOL)], False, True),
    # Taken back in the restart, twice: no third time, until it was installed in the end.
    (HOTPATCH, BEHIND, [ROLLED_BACK], False, True),
    (HOTPATCH, BEHIND, [ROLLED_BACK, ROLLED_BACK], True, False),
    (HOTPATCH, BEHIND, [row(HOTPATCH), ROLLED_BACK, ROLLED_BACK], False, True),
]


@pytest.mark.parametrize(("update", "where", "history", "flagged", "taken"), AGAIN)
def test_an_update_that_comes_again(
    update: dict[str, Any], where: tuple[str, int], history: list[dict[str, Any]] | None, flagged: bool, taken: bool
) -> None:
    choice = choose([update], "hotpatch_only", *server(*where), None, history)
    assert [each.kb for each in choice.offered_again] == (["KB5072014"] if flagged else [])
    assert (chosen(choice) == ["KB5072014"]) is taken


def test_naming_it_allows_it_once_more() -> None:
    twice = [row(HOTPATCH), row(HOTPATCH)]
    choice = choose([HOTPATCH], "hotpatch_only", *server(*BEHIND), Selection.read(include=["KB5072014"]), twice)
    assert chosen(choice) == ["KB5072014"]
    (again,) = choice.offered_again
    assert again.as_dict()["times_installed"] == 2 and "2 times (last on 2025-11-12)" in again.words


def test_others_have_no_build_so_once_is_enough() -> None:
    asked = Selection.read(other_updates="with_baseline")
    choice = choose([BASELINE, DOTNET], "baseline", *server(*MISSED), asked, [row(DOTNET)])
    assert chosen(choice) == ["KB5066835"]
    assert why(choice) == {"KB5066131": "offered_again"}
    assert [each.words for each in choice.offered_again] == [
        "KB5066131 was installed (last on 2025-11-12), and Windows Update offers it again."
    ]
