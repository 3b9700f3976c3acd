# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PowerShell script: what can be said of it without PowerShell."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

import pytest
import tree_sitter
import tree_sitter_powershell

from ansible_collections.winops.hotpatch.plugins.module_utils._guest import update_script

# Every alias of Windows PowerShell 5.1 that a person might type.
ALIASES = set(
    "% ? ac asnp cat cd chdir clc clear clhy cli clp cls clv cnsn compare copy cp cpi cpp curl cvpa dbp del "
    "diff dir dnsn ebp echo epal epcsv epsn erase etsn exsn fc fhx fl foreach ft fw gal gbp gc gci gcm gcs gdr "
    "ghy gi gjb gl gm gmo gp gps gpv group gsn gsnp gsv gu gv gwmi h history icm iex ihy ii ipal ipcsv ipmo "
    "ipsn irm ise iwmi iwr kill lp ls man md measure mi mount move mp mv nal ndr ni nmo npssc nsn nv ogv oh "
    "popd ps pushd pwd r rbp rcjb rcsn rd rdr ren ri rjb rm rmdir rmo rni rnp rp rsn rsnp rujb rv rvpa rwmi "
    "sajb sal saps sasv sbp sc select set shcm si sl sleep sls sort sp spjb spps spsv start sujb sv swmi tee "
    "trcm type wget where wjb write".split()
)

# Syntax that came after 5.1 and that the grammar knows.
NEWER = ("pipeline_chain_tail",)  # ternary and null-coalescing do not parse at all: ERROR nodes

CMDLETS = {
    "ConvertFrom-Json",
    "ConvertTo-Json",
    "Get-Content",
    "Get-Date",
    "Join-Path",
    "Move-Item",
    "New-Object",
    "Set-Content",
    "Set-StrictMode",
    "Start-Sleep",
    "Test-Path",
}

RESULT_KEYS = {
    "top": "contract run_id nonce operation state started finished error agent search history updates",
    "agent": "language_mode ps_version user_sid busy restart_required restart_required_before_installation"
    " server_selection wua_version service_id services",
    "service": "id name default",
    "history": "total entries",
    "history entry": "date operation title update_id revision client_application_id server_selection service_id",
    "current": "run_id operation nonce",
    "search": "result_code warnings",
    "failure": "stage hresult hresult_signed message",
    "update": "update_id revision title kbs categories type downloaded installed hidden eula_accepted"
    " max_download_bytes restart_behavior impact can_request_user_input uninstallable msrc_severity deployment_action"
    " bootstrapper bootstrapper_error evaluation download install",
    "evaluation": "requires_restart error",
    "install": "result_code hresult hresult_signed restart_required",
    "progress": "contract run_id nonce operation phase current total update_id heartbeat",
}


@pytest.fixture(scope="module")
def root() -> tree_sitter.Node:
    language = tree_sitter.Language(tree_sitter_powershell.language())
    return tree_sitter.Parser(language).parse(update_script.TEXT.encode("ascii")).root_node


def nodes(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    yield node
    for child in node.children:
        yield from nodes(child)


def text(node: tree_sitter.Node) -> str:
    assert node.text is not None
    return node.text.decode()


def function_of(node: tree_sitter.Node) -> str | None:
    parent = node.parent
    while parent is not None:
        if parent.type == "function_statement":
            return next(text(child) for child in parent.children if child.type == "function_name")
        parent = parent.parent
    return None


def commands(root: tree_sitter.Node) -> list[tree_sitter.Node]:
    return [node for node in nodes(root) if node.type == "command_name"]


def test_parses_without_an_error(root: tree_sitter.Node) -> None:
    wrong = [(node.start_point, text(node)[:60]) for node in nodes(root) if node.type == "ERROR" or node.is_missing]
    assert not wrong


def test_only_known_cmdlets_and_own_functions_by_their_full_names(root: tree_sitter.Node) -> None:
    own = {text(node) for node in nodes(root) if node.type == "function_name"}
    used = {text(node) for node in commands(root)}
    assert not {name for name in used if name.lower() in ALIASES}
    assert used <= CMDLETS | own
    assert own <= used, "a function that nobody calls"


def test_function_names_are_approved_verbs(root: tree_sitter.Node) -> None:
    approved = {"New", "Get", "Select", "Stop", "Write", "Update"}
    assert {text(node).split("-")[0] for node in nodes(root) if node.type == "function_name"} <= approved


def test_nothing_runs_text_fetches_or_compiles() -> None:
    for word in (
        "Invoke-",
        "iex",
        "Add-Type",
        "WebClient",
        "WebRequest",
        "http",
        "DownloadString",
        "FromBase64",
        "Assembly",
    ):
        assert word.lower() not in update_script.TEXT.lower()
    assert not re.search(r"(^|[;{(=|])\s*&\s*[\$({\"']", update_script.TEXT, re.MULTILINE), "the call operator"


def test_nothing_newer_than_5_1(root: tree_sitter.Node) -> None:
    kinds = {node.type for node in nodes(root)}
    assert not [kind for kind in kinds for newer in NEWER if newer in kind]
    assert "class_statement" not in kinds
    for operator in ("??", "?.", "&&", "||"):
        assert operator not in update_script.TEXT


def test_each_com_object_has_a_function_of_its_own(root: tree_sitter.Node) -> None:
    made: dict[str, str | None] = {}
    for node in nodes(root):
        if node.type == "command" and "-ComObject" in text(node):
            found = re.search(r"-ComObject '([\w.]+)'", text(node))
            assert found, "the name must be a plain literal"
            assert found[1] not in made, "made in two places"
            made[found[1]] = function_of(node)
    assert made == {
        "Microsoft.Update.Session": "New-UpdateSession",
        "Microsoft.Update.UpdateColl": "New-UpdateCollection",
        "Microsoft.Update.SystemInfo": "New-SystemInformation",
        "Microsoft.Update.AgentInfo": "New-AgentInformation",
        "Microsoft.Update.ServiceManager": "New-ServiceManager",
    }


@pytest.mark.parametrize("what", RESULT_KEYS)
def test_every_key_of_the_contract_is_written(root: tree_sitter.Node, what: str) -> None:
    written = {text(node).strip("'") for node in nodes(root) if node.type == "key_expression"}
    written |= set(re.findall(r"\['(\w+)'\] =", update_script.TEXT))
    assert set(RESULT_KEYS[what].split()) <= written


def test_text_is_plain_and_short() -> None:
    lines = update_script.TEXT.splitlines()
    code = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert update_script.TEXT.isascii()
    assert "\t" not in update_script.TEXT and "`" not in update_script.TEXT
    assert len(code) <= 280  # seven operations; a person must be able to read it in one sitting
    assert max(len(line) for line in lines) <= 160
    assert not [line for line in lines if line != line.rstrip()]


def test_language_mode_is_judged_before_anything_that_it_may_forbid(root: tree_sitter.Node) -> None:
    guard = update_script.TEXT.index("if ($languageMode -ne 'FullLanguage')")
    end = update_script.TEXT.index("exit 1", guard)
    before = update_script.TEXT[:end]
    assert "New-Object" not in before and "[System." not in before and "function " not in before
    # Strings and dates are core types, whose methods are allowed in ConstrainedLanguage.
    assert set(re.findall(r"\.([A-Z]\w+)\(", before)) == {"ToUniversalTime", "ToString"}


def test_unknown_is_never_a_no() -> None:
    body = update_script.TEXT
    evaluation = body[body.index("function Get-Evaluation") : body.index("function Get-Download")]
    assert evaluation.count("requires_restart = ") == 2
    assert evaluation.index("$answer -isnot [bool]") < evaluation.index("requires_restart = $answer; error = $null")
    assert "requires_restart = $null; error = (Get-Failure" in evaluation
    install = body[body.index("if (($Operation -eq 'install')") : body.index("$installer.Install()")]
    assert "($agent['busy'] -ne $false)" in install
    assert "($agent['restart_required'] -ne $false)" in install
    assert "($agent['restart_required_before_installation'] -ne $false)" in install


def test_only_the_named_updates_are_touched_and_only_by_their_operation() -> None:
    body = update_script.TEXT
    assert body.count("IsHidden =") == body.count("AcceptEula()") == body.count(".Install()") == 1
    assert "if (@('hide', 'unhide') -contains $Operation) { $update.IsHidden = ($Operation -eq 'hide') }" in body
    loop = body[body.index("for ($position = 1;") : body.index("if (($Operation -eq 'install')")]
    assert "IsHidden =" in loop and "AcceptEula()" in loop


def test_the_history_is_never_asked_for_no_rows() -> None:
    body = update_script.TEXT
    history = body[body.index("function Get-History") : body.index("function Get-OfferedUpdate")]
    assert "if ($count -gt 0) { foreach ($entry in $Searcher.QueryHistory($skip, $count))" in history


def test_a_row_of_the_history_that_is_incomplete_is_still_a_row() -> None:
    """In strict mode a property of null ends the operation, so one blank row would hide the whole history."""
    body = update_script.TEXT
    record = body[body.index("function New-HistoryRecord") : body.index("function Get-History")]
    assert "$Entry.UpdateIdentity." not in record
    assert record.index("if ($null -eq $identity) { $identity = @{") < record.index("$identity.UpdateID")
    assert "if ($moment -is [datetime])" in record and "[datetime]$" not in record and "[int]$" not in record


def test_who_holds_the_lock_says_so_and_nobody_else() -> None:
    body = update_script.TEXT
    assert body.count("\nWrite-Current\n") == 1 and body.count("\n    Write-Current\n") == 1
    assert body.index("exit 3 }\n}\nWrite-Current") < body.index("$exitCode = 2\ntry {")
    assert body.index("    Write-Current\n    $lock.Dispose()") > body.index("} finally {")


def test_a_result_is_always_written_and_the_exit_code_is_small() -> None:
    tail = update_script.TEXT[update_script.TEXT.index("} finally {") :]
    assert "Write-JsonFile -Path $resultPath" in tail and tail.rstrip().endswith("exit $exitCode")
    assert set(re.findall(r"exit (\d+)", update_script.TEXT)) == {"1", "2", "3"}


def test_json_is_written_whole_in_depth_and_without_mark() -> None:
    assert not re.findall(r"\|\s*ConvertTo-Json", update_script.TEXT), "piped, a lone element loses its list"
    assert update_script.TEXT.count("ConvertTo-Json -InputObject $") == 2
    assert update_script.TEXT.count("-Depth 8") == 2
    assert "UTF8Encoding -ArgumentList $false" in update_script.TEXT
    assert "[NullString]::Value" in update_script.TEXT


def test_bytes_and_hash() -> None:
    data = update_script.as_bytes()
    assert data.count(b"\r\n") == data.count(b"\n") == update_script.TEXT.count("\n")
    digest = hashlib.sha256(data).hexdigest()
    assert digest == update_script.SHA256
    assert f"update-{digest[:16]}.ps1" == update_script.FILE_NAME


def test_the_lab_plays_this_script() -> None:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.known_scripts import KNOWN_SCRIPTS

    assert KNOWN_SCRIPTS.get(update_script.SHA256) == update_script.CONTRACT, "the script changed: name its hash there"
