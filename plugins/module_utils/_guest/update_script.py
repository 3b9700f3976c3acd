# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the winops.hotpatch collection; it may change without notice.
"""The one script that runs on a server: it asks the Windows Update Agent and writes down what it said.

Windows PowerShell 5.1, run as SYSTEM by a scheduled task, because Windows Update refuses callers that came over the
network (0x80070005). It decides nothing: it takes one operation from a request file and leaves a result file, by
the contract in docs/update-contract.md. It fetches nothing itself; only Windows Update does.

Why it looks as it does (Microsoft Learn: wuapi reference, PowerShell 5.1 documentation, PowerShell engine source):

* A function for each COM object, so that it can be run against stand-ins where there is no Windows Update.
* ``return , (New-Object ...)``: a COM collection that leaves a function is unrolled by the pipeline; the comma keeps it
  whole.
* Only a real Boolean is an answer to "does it need a restart". Null (late binding swallows an unknown member), an
  exception or another type is unknown, and every variable of a loop turn starts as null.
* The wrapper of a COM error always has the HResult 0x80131501; the true code is on the deepest inner exception.
* ``ConvertTo-Json`` of 5.1 turns a lone element into a scalar when piped, stops at depth 2 and leaves non-ASCII as it
  is.
* ``Replace`` wants ``[NullString]::Value``: a plain null becomes an empty file name.
"""

from __future__ import annotations

import hashlib

#: Version of the contract between this script and update_run.py; both refuse any other.
CONTRACT = 1

#: What the script may be asked to do.
OPERATIONS = ("search", "evaluate", "download", "install", "history", "hide", "unhide")

#: Those that name the updates they are for; the others read only.
FOR_UPDATES = ("evaluate", "download", "install", "hide", "unhide")

#: Exit codes of the script, which the task keeps as its last result.
EXIT_DONE, EXIT_FAILED, EXIT_NO_RESULT, EXIT_NOT_STARTED = 0, 1, 2, 3

TEXT = r"""# winops.hotpatch: asks the Windows Update Agent for one operation. Contract version 1, see docs/update-contract.md.
# Copyright (c) 2026, the winops.hotpatch contributors. SPDX-License-Identifier: GPL-3.0-or-later
param([Parameter(Mandatory = $true)] [string] $RunFolder, [Parameter(Mandatory = $true)] [string] $Operation)

trap { exit 2 }
Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$progressPath = Join-Path -Path $RunFolder -ChildPath "$Operation.progress.json"
$resultPath = Join-Path -Path $RunFolder -ChildPath "$Operation.result.json"
$currentPath = Join-Path -Path $PSScriptRoot -ChildPath 'runs\current.json'
$request = Get-Content -LiteralPath (Join-Path -Path $RunFolder -ChildPath "$Operation.request.json") -Raw | ConvertFrom-Json
$languageMode = [string]$ExecutionContext.SessionState.LanguageMode
$agent = @{
    language_mode = $languageMode; ps_version = [string]$PSVersionTable.PSVersion; user_sid = $null; wua_version = $null
    server_selection = $request.server_selection; service_id = $null; services = $null
    busy = $null; restart_required = $null; restart_required_before_installation = $null
}
$result = @{
    contract = 1; run_id = $request.run_id; nonce = $request.nonce; operation = $Operation; state = 'failed'; error = $null
    started = (Get-Date).ToUniversalTime().ToString('s') + 'Z'; finished = $null; agent = $agent; search = $null; history = $null; updates = @()
}

if ($languageMode -ne 'FullLanguage') {
    # An application control policy restricts this script. No COM object can be made, so say that much with cmdlets alone.
    $reason = "PowerShell runs this script in $languageMode mode: an application control policy does not trust it."
    $result['error'] = @{ stage = 'language_mode'; hresult = $null; hresult_signed = $null; message = $reason }
    $result['finished'] = $result['started']
    ConvertTo-Json -InputObject $result -Depth 8 | Set-Content -LiteralPath "$resultPath.new" -Encoding Ascii
    Move-Item -LiteralPath "$resultPath.new" -Destination $resultPath -Force
    exit 1
}

function New-UpdateSession { return , (New-Object -ComObject 'Microsoft.Update.Session') }
function New-UpdateCollection { return , (New-Object -ComObject 'Microsoft.Update.UpdateColl') }
function New-SystemInformation { return , (New-Object -ComObject 'Microsoft.Update.SystemInfo') }
function New-AgentInformation { return , (New-Object -ComObject 'Microsoft.Update.AgentInfo') }
function New-ServiceManager { return , (New-Object -ComObject 'Microsoft.Update.ServiceManager') }
function Get-UtcText { return (Get-Date).ToUniversalTime().ToString('s') + 'Z' }
function Get-HexText([int] $Code) { return '0x{0:X8}' -f $Code }
function Select-Boolean($Value) { if ($Value -is [bool]) { return $Value } else { return $null } }
function Select-Number($Value) { if ($null -ne $Value) { return [int]$Value } else { return $null } }

function Stop-Operation([int] $Code, [string] $Message) {
    throw (New-Object -TypeName System.Runtime.InteropServices.COMException -ArgumentList $Message, $Code)
}

function Get-Failure([string] $Stage, $ErrorRecord) {
    $deepest = $ErrorRecord.Exception
    while ($null -ne $deepest.InnerException) { $deepest = $deepest.InnerException }
    $code = [int]$deepest.HResult
    return @{ stage = $Stage; hresult = (Get-HexText -Code $code); hresult_signed = $code; message = [string]$deepest.Message }
}

function Get-Outcome($Outcome) {
    $code = [int]$Outcome.HResult
    return @{ result_code = [int]$Outcome.ResultCode; hresult = (Get-HexText -Code $code); hresult_signed = $code }
}

function Write-JsonFile([string] $Path, $Value, [int] $Tries) {
    $json = ConvertTo-Json -InputObject $Value -Depth 8
    $ascii = [regex]::Replace($json, '[^\x00-\x7F]', { param($letter) '\u{0:x4}' -f [int][char]$letter.Value })
    $encoding = New-Object -TypeName System.Text.UTF8Encoding -ArgumentList $false
    [System.IO.File]::WriteAllText("$Path.new", $ascii, $encoding)
    for ($try = 1; $try -le $Tries; $try++) {
        try {
            if ([System.IO.File]::Exists($Path)) { [System.IO.File]::Replace("$Path.new", $Path, [NullString]::Value) }
            else { [System.IO.File]::Move("$Path.new", $Path) }
            return
        } catch { if ($try -eq $Tries) { throw } else { Start-Sleep -Milliseconds 250 } }  # somebody may be reading the old file
    }
}

function Write-Phase([string] $Phase, [int] $Current, [int] $Total, $UpdateId) {
    $progress = @{
        contract = 1; run_id = $request.run_id; nonce = $request.nonce; operation = $Operation; phase = $Phase
        current = $Current; total = $Total; update_id = $UpdateId; heartbeat = (Get-UtcText)
    }
    # Only the first one matters: it marks this request as taken. A later one that cannot be written must not stop the work.
    try { Write-JsonFile -Path $progressPath -Value $progress -Tries 8 } catch { if ($Phase -eq 'starting') { throw } }
}

function Write-Current {
    # Several callers may have named themselves there before one of them got to run: what stands there now is who runs.
    $current = @{ run_id = $request.run_id; operation = $Operation; nonce = $request.nonce }
    try { Write-JsonFile -Path $currentPath -Value $current -Tries 4 } catch { $null = $_ }
}

function Get-ServiceList {
    try {
        $services = @(foreach ($service in (New-ServiceManager).Services) {
            $default = Select-Boolean -Value $service.IsDefaultAUService
            @{ id = [string]$service.ServiceID; name = [string]$service.Name; default = $default }
        })
        return , $services
    } catch { return $null }  # for information only
}

function Update-AgentState($Installer) {
    foreach ($name in 'busy', 'restart_required', 'restart_required_before_installation') { $agent[$name] = $null }
    try {
        $agent['busy'] = Select-Boolean -Value $Installer.IsBusy
        $agent['restart_required'] = Select-Boolean -Value (New-SystemInformation).RebootRequired
        $agent['restart_required_before_installation'] = Select-Boolean -Value $Installer.RebootRequiredBeforeInstallation
    } catch { $null = $_ }  # what could not be read stays null, and null is never a yes or a no
}

function New-UpdateRecord($Update) {
    $record = @{
        update_id = [string]$Update.Identity.UpdateID; revision = [int]$Update.Identity.RevisionNumber; title = [string]$Update.Title
        kbs = @(foreach ($number in $Update.KBArticleIDs) { if ($number) { [string]$number } })
        categories = @(foreach ($category in $Update.Categories) { @{ id = [string]$category.CategoryID; name = [string]$category.Name } })
        type = [int]$Update.Type; deployment_action = [int]$Update.DeploymentAction; max_download_bytes = [int64]$Update.MaxDownloadSize
        downloaded = (Select-Boolean -Value $Update.IsDownloaded); installed = (Select-Boolean -Value $Update.IsInstalled)
        hidden = (Select-Boolean -Value $Update.IsHidden); eula_accepted = (Select-Boolean -Value $Update.EulaAccepted)
        uninstallable = (Select-Boolean -Value $Update.IsUninstallable); msrc_severity = [string]$Update.MsrcSeverity
        restart_behavior = $null; impact = $null; can_request_user_input = $null
        bootstrapper = $null; bootstrapper_error = $null; evaluation = $null; download = $null; install = $null
    }
    $behavior = $Update.InstallationBehavior
    if ($null -ne $behavior) {
        $record['restart_behavior'] = [int]$behavior.RebootBehavior
        $record['impact'] = [int]$behavior.Impact
        $record['can_request_user_input'] = Select-Boolean -Value $behavior.CanRequestUserInput
    }
    try {
        $contains = $Update.ExtendedStaticProperty('ContainsUpdateBootstrapper')
        if ($contains -isnot [bool]) { Stop-Operation -Code (0x80240037) -Message 'The agent answered something that is not a Boolean.' }
        $record['bootstrapper'] = $contains
    } catch { $record['bootstrapper_error'] = Get-Failure -Stage 'bootstrapper' -ErrorRecord $_ }
    return $record
}

function New-HistoryRecord($Entry) {
    # There is no KB but in the title, and the date is UTC without saying so. A row that Windows left incomplete is still a row.
    $moment, $identity, $code = $Entry.Date, $Entry.UpdateIdentity, $Entry.HResult
    if ($null -eq $identity) { $identity = @{ UpdateID = $null; RevisionNumber = $null } }
    $record = @{
        date = $null; title = [string]$Entry.Title; operation = (Select-Number -Value $Entry.Operation)
        update_id = [string]$identity.UpdateID; revision = (Select-Number -Value $identity.RevisionNumber)
        client_application_id = [string]$Entry.ClientApplicationID; service_id = [string]$Entry.ServiceID
        server_selection = (Select-Number -Value $Entry.ServerSelection); result_code = (Select-Number -Value $Entry.ResultCode)
        hresult = $null; hresult_signed = (Select-Number -Value $code)
    }
    if ($moment -is [datetime]) { $record['date'] = $moment.ToString('s') + 'Z' }
    if ($null -ne $code) { $record['hresult'] = Get-HexText -Code $code }
    return $record
}

function Get-History($Searcher) {
    # Newest first; a count of zero is an error to QueryHistory.
    Write-Phase -Phase 'reading' -Current 0 -Total 0 -UpdateId $null
    $total = [int]$Searcher.GetTotalHistoryCount()
    $skip = [int]$request.history.skip
    $count = [Math]::Min([int]$request.history.limit, $total - $skip)
    $entries = @(if ($count -gt 0) { foreach ($entry in $Searcher.QueryHistory($skip, $count)) { New-HistoryRecord -Entry $entry } })
    return @{ total = $total; entries = $entries }
}

function Get-OfferedUpdate($Searcher) {
    Write-Phase -Phase 'searching' -Current 0 -Total 0 -UpdateId $null
    $found = $Searcher.Search([string]$request.criteria)
    $warnings = @(foreach ($item in $found.Warnings) { @{ hresult = (Get-HexText -Code $item.HResult); message = [string]$item.Message } })
    $result['search'] = @{ result_code = [int]$found.ResultCode; warnings = $warnings }
    foreach ($update in $found.Updates) { $update }
}

function New-Downloader($Session, $Update) {
    $collection = New-UpdateCollection
    $null = $collection.Add($Update)
    $downloader = $Session.CreateUpdateDownloader()
    $downloader.Updates = $collection
    return , $downloader
}

function Get-Evaluation($Session, $Update, [int] $Position, [int] $Total) {
    # Three values: true, false, or null with the reason. Only a Boolean that Windows Update itself answered is not null.
    try {
        $fetched = (New-Downloader -Session $Session -Update $Update).Download2(1)
        if ($fetched.ResultCode -ne 2) { Stop-Operation -Code $fetched.HResult -Message "No bootstrapper: result code $($fetched.ResultCode)." }
        Write-Phase -Phase 'evaluating' -Current $Position -Total $Total -UpdateId $Update.Identity.UpdateID
        $answer = $Update.EvaluateExtendedDynamicProperty('DoesUpdateRequireReboot')
        if ($answer -isnot [bool]) { Stop-Operation -Code (0x80240068) -Message 'The agent answered something that is not a Boolean.' }
        return @{ requires_restart = $answer; error = $null }
    } catch { return @{ requires_restart = $null; error = (Get-Failure -Stage 'evaluating' -ErrorRecord $_) } }
}

function Get-Download($Session, $Update) {
    try {
        $fetched = (New-Downloader -Session $Session -Update $Update).Download()
        return Get-Outcome -Outcome $fetched.GetUpdateResult(0)
    } catch { return Get-Outcome -Outcome @{ ResultCode = 4; HResult = (Get-Failure -Stage 'download' -ErrorRecord $_)['hresult_signed'] } }
}

# One run at a time, and each request at most once: who finds its own nonce in the progress file came second.
try { $lock = [System.IO.File]::Open((Join-Path -Path $PSScriptRoot -ChildPath 'lock'), 'OpenOrCreate', 'ReadWrite', 'None') }
catch { if ((Get-Failure -Stage 'lock' -ErrorRecord $_)['hresult'] -eq '0x80070020') { exit 3 } else { exit 2 } }
if (Test-Path -LiteralPath $progressPath) {
    $earlier = Get-Content -LiteralPath $progressPath -Raw | ConvertFrom-Json
    if ($earlier.nonce -eq $request.nonce) { exit 3 }
}
Write-Current

$exitCode = 2
try {
    $stage = 'request'
    Write-Phase -Phase 'starting' -Current 0 -Total 0 -UpdateId $null
    $known = @('search', 'evaluate', 'download', 'install', 'history', 'hide', 'unhide') -contains $Operation
    if (-not $known -or ($request.contract -ne 1) -or ($request.operation -ne $Operation)) {
        Stop-Operation -Code (0x80070057) -Message 'The request is for another contract version or operation.'
    }

    $stage = 'session'
    $agent['user_sid'] = [System.Security.Principal.WindowsIdentity]::GetCurrent().User.Value
    $session = New-UpdateSession
    $session.ClientApplicationID = [string]$request.client_application_id
    $installer = $session.CreateUpdateInstaller()
    try { $agent['wua_version'] = [string](New-AgentInformation).GetInfo('ProductVersionString') } catch { $null = $_ }
    Update-AgentState -Installer $installer
    $searcher = $session.CreateUpdateSearcher()
    $searcher.ServerSelection = [int]$request.server_selection
    if ($request.service_id) { $searcher.ServiceID = [string]$request.service_id }
    $agent['service_id'] = [string]$searcher.ServiceID
    $agent['services'] = Get-ServiceList

    $offered = @()
    if ($Operation -eq 'history') {
        $stage = 'history'
        $result['history'] = Get-History -Searcher $searcher
    } else {
        $stage = 'search'
        $offered = @(Get-OfferedUpdate -Searcher $searcher)
    }
    if (($Operation -eq 'search') -and $request.history) {
        # What of it was installed before; a history that cannot be read stays null and stops nothing.
        try {
            $ids = @(foreach ($update in $offered) { [string]$update.Identity.UpdateID })
            $history = Get-History -Searcher $searcher
            $history['entries'] = @(foreach ($entry in $history['entries']) { if ($ids -contains $entry['update_id']) { $entry } })
            $result['history'] = $history
        } catch { $null = $_ }
    }

    $stage = 'type_information'
    $chosen = New-Object -TypeName System.Collections.ArrayList
    foreach ($update in $offered) {
        if (-not $update.Title -or -not $update.Identity.UpdateID) { Stop-Operation -Code (0x8002802B) -Message 'Agent type information broken.' }
        if ($Operation -eq 'search') { $null = $chosen.Add($update) }
    }

    $stage = 'match'
    foreach ($wanted in @($request.updates)) {
        $match = $null
        foreach ($update in $offered) {
            if (($update.Identity.UpdateID -eq $wanted.update_id) -and ($update.Identity.RevisionNumber -eq $wanted.revision)) { $match = $update }
        }
        if ($null -eq $match) { Stop-Operation -Code (0x80240024) -Message "Update $($wanted.update_id) is not offered now." }
        $null = $chosen.Add($match)
    }
    $records = @(foreach ($update in $chosen) { New-UpdateRecord -Update $update })
    $result['updates'] = $records

    $stage = $Operation
    $total = $chosen.Count
    for ($position = 1; $position -le $total; $position++) {
        $update = $chosen[$position - 1]
        $record = $records[$position - 1]
        $touches = @('download', 'install') -contains $Operation
        if ($touches -and $request.accept_eula -and -not $update.EulaAccepted) { $null = $update.AcceptEula() }
        if (@('hide', 'unhide') -contains $Operation) { $update.IsHidden = ($Operation -eq 'hide') }
        if ($Operation -eq 'evaluate') {
            Write-Phase -Phase 'bootstrapper' -Current $position -Total $total -UpdateId $record['update_id']
            $record['evaluation'] = Get-Evaluation -Session $session -Update $update -Position $position -Total $total
        }
        if ($Operation -eq 'download') {
            Write-Phase -Phase 'downloading' -Current $position -Total $total -UpdateId $record['update_id']
            $record['download'] = Get-Download -Session $session -Update $update
        }
        $record['downloaded'] = Select-Boolean -Value $update.IsDownloaded
        $record['eula_accepted'] = Select-Boolean -Value $update.EulaAccepted
        $record['hidden'] = Select-Boolean -Value $update.IsHidden
    }

    if (($Operation -eq 'install') -and ($total -gt 0)) {
        Update-AgentState -Installer $installer
        if (($agent['busy'] -ne $false) -or ($agent['restart_required'] -ne $false) -or ($agent['restart_required_before_installation'] -ne $false)) {
            Stop-Operation -Code (0x80240016) -Message 'Nothing was installed: the agent is busy, a restart is pending, or it does not tell.'
        }
        $collection = New-UpdateCollection
        foreach ($update in $chosen) { $null = $collection.Add($update) }
        $installer.Updates = $collection
        $installer.AllowSourcePrompts = $false
        Write-Phase -Phase 'installing' -Current 1 -Total $total -UpdateId $records[0]['update_id']
        $installed = $installer.Install()
        $stage = 'finishing'
        for ($index = 0; $index -lt $total; $index++) {
            $outcome = $installed.GetUpdateResult($index)
            $records[$index]['install'] = Get-Outcome -Outcome $outcome
            $records[$index]['install']['restart_required'] = Select-Boolean -Value $outcome.RebootRequired
        }
        Write-Phase -Phase 'finishing' -Current $total -Total $total -UpdateId $null
        Update-AgentState -Installer $installer
    }
    $result['state'] = 'done'
} catch {
    $result['error'] = Get-Failure -Stage $stage -ErrorRecord $_
} finally {
    try {
        $result['finished'] = Get-UtcText
        Write-JsonFile -Path $resultPath -Value $result -Tries 40
        $exitCode = [int]($result['state'] -ne 'done')
    } catch { $exitCode = 2 }
    Write-Current
    $lock.Dispose()
}
exit $exitCode
"""  # noqa: E501 - lines of the script


def as_bytes() -> bytes:
    """The script as it stands on the server: ASCII, each line ended with CR LF."""
    return TEXT.replace("\n", "\r\n").encode("ascii")


#: Lower-case hex of :func:`as_bytes`.
SHA256 = hashlib.sha256(as_bytes()).hexdigest()

#: The name carries the start of the hash, so an older script that still runs is never overwritten.
FILE_NAME = f"update-{SHA256[:16]}.ps1"
