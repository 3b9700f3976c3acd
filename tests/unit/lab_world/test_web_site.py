# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The web site of a server: open while its service runs and the server is up, and wrong as a fault says."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab import faults
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.fleet import FleetError
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.web_site import WebSite

from .rehearsal import Rehearsal


def site_of(**keys: Any) -> tuple[Rehearsal, WebSite]:
    lab = Rehearsal(roles=["web"], web_site=True, password="Secret-1", **keys)
    site = lab.machine.web_site
    assert site is not None
    return lab, site


def test_it_is_open_while_its_service_runs() -> None:
    lab, site = site_of()
    assert site.open
    assert lab.run("sc stop W3SVC").code == 0
    assert not site.open
    assert lab.run("sc start W3SVC").code == 0
    assert site.open


def test_it_goes_down_with_the_server_and_comes_back_with_the_service() -> None:
    lab, site = site_of(faults=[{"kind": "service_not_started", "name": "w3svc"}])
    lab.run("shutdown /r /t 0")
    seen = [site.open for _passed in lab.wait(60)]
    assert seen[0] and not all(seen)
    assert not site.open and lab.machine.network == "open"
    faults.clear(lab.machine)
    lab.run("shutdown /r /t 0")
    lab.let_pass(200)
    assert site.open


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 200), ("HEAD", "/", 200), ("POST", "/", 405), ("GET", "/x", 404), ("GET", "/moved", 301)],
)
def test_what_it_answers(method: str, path: str, status: int) -> None:
    _lab, site = site_of()
    assert site.answer(method, path, None).status == status


def test_a_private_page_takes_an_account_of_the_server() -> None:
    _lab, site = site_of()
    good = base64.b64encode(b"Administrator:Secret-1").decode()
    wrong = base64.b64encode(b"Administrator:other").decode()
    assert site.answer("GET", "/private", f"Basic {good}").status == 200
    for header in (None, f"Basic {wrong}", "Basic ?", f"Bearer {good}", "Basic"):
        refused = site.answer("GET", "/private", header)
        assert refused.status == 401 and dict(refused.headers)["WWW-Authenticate"].startswith("Basic ")


def test_it_can_be_made_to_fail_always_or_now_and_then() -> None:
    _lab, site = site_of(faults=[{"kind": "web_site_fails"}])
    assert {site.answer("GET", "/", None).status for _request in range(20)} == {503}
    _lab, site = site_of(faults=[{"kind": "web_site_fails", "status": 500, "percent": 20}])
    statuses = [site.answer("GET", "/", None).status for _request in range(500)]
    assert set(statuses) == {200, 500} and 60 <= statuses.count(500) <= 140


def test_a_site_needs_the_role_that_runs_it() -> None:
    with pytest.raises(FleetError, match="role web"):
        Rehearsal(web_site=True)
    assert Rehearsal(roles=["web"]).machine.web_site is None
