# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SOAP faults as WinRM gives them: codes and shapes of real Windows, the sentences our own and shorter.

Windows has two families of fault detail and a client meets both: ``WSManFault`` (often with the provider's own fault
inside) and ``MSFT_WmiError`` (WinRM 3 and later). Codes and subcodes: wsmerror.h; shapes: recordings in the test data
of pypsrp, pywinrm, WinRb and OMI. Which WMI failure comes in which family is only partly recorded; the choice here
gives each family its share.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cim import CimFault
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire import names

TIMED_OUT = 2150858793
UNKNOWN_SHELL = 2150858843
# Clients and tests know this sentence by its two closing blanks (recordings of Server 2016 and 2022).
TIMED_OUT_TEXT = (
    "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.  "
)

WMI_PROVIDER = ("WMI Provider", r"%systemroot%\system32\WsmWmiPl.dll")
SHELL_PROVIDER = ("Shell provider", r"%systemroot%\system32\WsmSvc.dll")
CMD_PROVIDER = ("Shell cmd plugin", r"%systemroot%\system32\winrscmd.dll")

_FAULT_ACTIONS = {
    "s": names.ADDRESSING + "/fault",
    "a": names.ADDRESSING + "/fault",
    "n": names.ENUMERATION + "/fault",
    "x": names.TRANSFER + "/fault",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault",
}

# WMI's own codes (wbemcli.h) and the DMTF status code beside them (DSP0223), by CimFault.kind.
_WMI_CODES: dict[str, tuple[int, int, str]] = {
    "invalid_class": (0x80041010, 5, "Invalid class"),
    "invalid_namespace": (0x8004100E, 3, "Invalid namespace"),
    "not_found": (0x80041002, 6, "Not found"),
    "access_denied": (0x80041003, 2, "Access denied"),
    "invalid_query": (0x80041017, 15, "Invalid query"),
    "invalid_method": (0x8004102E, 17, "Invalid method"),
    "invalid_parameters": (0x8004102F, 4, "Invalid method parameters"),
    "provider_failure": (0x80041004, 1, "Provider failure"),
    "element_not_found": (0x80070490, 6, "Element not found."),
    "quota": (0x8004106C, 27, "Quota violation"),
}


@dataclass
class WireFault(Exception):
    """A request that ends in a SOAP fault.

    :param role: ``s:Sender``, ``s:Receiver`` or a SOAP version code.
    :param subcode: with its prefix (``w:TimedOut``); empty for none. The prefix decides the Action of the answer.
    :param code: the number in WSManFault, or in MSFT_WmiError when ``cim_status`` is set.
    :param reason: for a person.
    :param detail_uri: what stands in w:FaultDetail, without the common beginning.
    :param provider: name and path of the plug-in whose fault is nested inside.
    :param provider_text: the plug-in's plain text; None makes it an inner WSManFault of the same code.
    :param extended: operation, parameter and provider name of WMI's ``__ExtendedStatus``.
    :param cim_status: makes it a fault of the MSFT_WmiError family.
    """

    role: str
    subcode: str
    code: int
    reason: str
    detail_uri: str = ""
    provider: tuple[str, str] | None = None
    provider_text: str | None = None
    extended: tuple[str, str, str] | None = None
    cim_status: int | None = None
    category: int = 0
    header: str = ""

    def __post_init__(self) -> None:
        super().__init__(f"{self.subcode} {self.code}: {self.reason}")

    @property
    def action(self) -> str:
        """The Action of the fault message, which depends on the standard the subcode is from."""
        return _FAULT_ACTIONS[(self.subcode or self.role).partition(":")[0]]

    def body(self, machine_name: str) -> str:
        """The s:Fault element."""
        subcode = f"<s:Subcode><s:Value>{self.subcode}</s:Value></s:Subcode>" if self.subcode else ""
        detail = f"<w:FaultDetail>{names.FAULT_DETAIL}{self.detail_uri}</w:FaultDetail>" if self.detail_uri else ""
        detail += self._wmi_error() if self.cim_status is not None else self._wsman_fault(machine_name)
        return (
            f"<s:Fault><s:Code><s:Value>{self.role}</s:Value>{subcode}</s:Code>"
            f'<s:Reason><s:Text xml:lang="en-US">{escape(self.reason)}</s:Text></s:Reason>'
            f"<s:Detail>{detail}</s:Detail></s:Fault>"
        )

    def _wsman_fault(self, machine_name: str) -> str:
        opening = f'<f:WSManFault xmlns:f="{names.FAULT}" Code="{self.code}" Machine={quoteattr(machine_name)}>'
        inside = escape(self.reason)
        if self.provider is not None:
            name, path = self.provider
            given = self.provider_text
            nested = escape(given) if given is not None else f"{opening}<f:Message>{inside}</f:Message></f:WSManFault>"
            inside = (
                f"<f:ProviderFault provider={quoteattr(name)} path={quoteattr(path)}>"
                f"{nested}{self._extended_status()}</f:ProviderFault>"
            )
        return f"{opening}<f:Message>{inside}</f:Message></f:WSManFault>"

    def _extended_status(self) -> str:
        if self.extended is None:
            return ""
        operation, parameter, provider_name = self.extended
        kind = "__ExtendedStatus"
        return (
            f'<f:ExtendedError><p:{kind} xmlns:xsi="{names.XSI}" xmlns:p="{names.DMTF_PREFIX}{kind}"'
            f' xmlns:cim="{names.CIM_COMMON}" xsi:type="p:{kind}_Type">'
            '<p:Description xsi:type="cim:cimString" xsi:nil="true"/>'
            f'<p:Operation xsi:type="cim:cimString">{escape(operation)}</p:Operation>'
            f'<p:ParameterInfo xsi:type="cim:cimString">{escape(parameter)}</p:ParameterInfo>'
            f'<p:ProviderName xsi:type="cim:cimString">{escape(provider_name)}</p:ProviderName>'
            '<p:StatusCode xsi:type="cim:cimUnsignedInt" xsi:nil="true"/>'
            f"</p:{kind}></f:ExtendedError>"
        )

    def _wmi_error(self) -> str:
        def item(name: str, kind: str, value: str | int | None) -> str:
            opening = f'<p:{name} xsi:type="cim:cim{kind}"'
            return f'{opening} xsi:nil="true"/>' if value is None else f"{opening}>{escape(str(value))}</p:{name}>"

        kind = "MSFT_WmiError"
        return (
            f'<p:{kind} b:IsCIM_Error="true" xmlns:xsi="{names.XSI}" xmlns:b="{names.CIM_BINDING}"'
            f' xmlns:p="{names.DMTF_PREFIX}{kind}" xmlns:cim="{names.CIM_COMMON}" xsi:type="p:{kind}_Type">'
            + item("CIMStatusCode", "UnsignedInt", self.cim_status)
            + item("CIMStatusCodeDescription", "String", None)
            + item("ErrorSource", "String", None)
            + item("ErrorSourceFormat", "UnsignedShort", 0)
            + item("ErrorType", "UnsignedShort", 0)
            + item("Message", "String", self.reason)
            + item("MessageID", "String", f"HRESULT 0x{self.code:08x}")
            + item("OtherErrorSourceFormat", "String", None)
            + item("OtherErrorType", "String", None)
            + item("OwningEntity", "String", None)
            + item("PerceivedSeverity", "UnsignedShort", 0)
            + item("ProbableCause", "UnsignedShort", 0)
            + item("ProbableCauseDescription", "String", None)
            + item("error_Category", "UnsignedInt", self.category)
            + item("error_Code", "UnsignedInt", self.code)
            + item("error_Type", "String", "HRESULT")
            + item("error_WindowsErrorMessage", "String", self.reason)
            + f"</p:{kind}>"
        )


def header_required(header: str) -> WireFault:
    """A header that every request needs is absent."""
    text = f"The request lacks the header {header}. "
    return WireFault("s:Sender", "a:MessageInformationHeaderRequired", 0x80338011, text)


def invalid_header(text: str) -> WireFault:
    """A header says something impossible (recorded: OperationTimeout PT-1S)."""
    return WireFault("s:Sender", "a:InvalidMessageInformationHeader", 0x8033800F, text)


def not_understood(prefix: str, namespace: str, local: str) -> WireFault:
    """A header marked mustUnderstand that this service does not know (SOAP 1.2 part 1, 5.4.8)."""
    header = f'<s:NotUnderstood qname="{prefix}:{escape(local)}" xmlns:{prefix}={quoteattr(namespace)}/>'
    text = f"The service cannot process the header {local}, which is marked as mustUnderstand. "
    return WireFault("s:MustUnderstand", "", 0x80338010, text, header=header)


def schema_error(text: str) -> WireFault:
    """Well-formed XML that is not what the schema wants (recorded: an empty Enumerate body)."""
    return WireFault("s:Sender", "w:SchemaValidationError", 0x80338041, text)


def action_not_supported(action: str) -> WireFault:
    """An action that the resource does not have."""
    return WireFault("s:Sender", "a:ActionNotSupported", 0x80338013, f"The action {action} is not supported here. ")


def unsupported_feature(detail_uri: str, text: str, code: int = 0x80338042) -> WireFault:
    """A standard feature that WinRM does not have."""
    return WireFault("s:Sender", "w:UnsupportedFeature", code, text, detail_uri=detail_uri)


def invalid_resource(uri: str) -> WireFault:
    """A resource URI of no known form."""
    text = f"The resource URI {uri} is missing or has a wrong form. "
    return WireFault("s:Sender", "a:DestinationUnreachable", 0x8033803B, text, detail_uri="InvalidResourceURI")


def duplicate_selector(name: str) -> WireFault:
    """The same selector twice (DSP0226 5.4.2.2)."""
    text = f"The request contains the selector {name} twice. "
    return WireFault("s:Sender", "w:InvalidSelectors", 0x8033805F, text, detail_uri="DuplicateSelectors")


def invalid_context() -> WireFault:
    """An enumeration context that is used up, too old or never was."""
    text = "The enumeration context is not valid: the enumeration may be completed or cancelled. "
    return WireFault("s:Receiver", "n:InvalidEnumerationContext", 0x8033801B, text)


def dialect_unavailable(dialect: str) -> WireFault:
    """A filter in a language that the resource does not read."""
    text = f"The filter dialect {dialect or '(none)'} is not supported for this resource. "
    return WireFault("s:Sender", "n:FilterDialectRequestedUnavailable", 0x80338019, text)


def cannot_process_filter(text: str, operation: str = "ExecQuery", parameter: str = "") -> WireFault:
    """A query that WMI refuses (recorded by WinRb: provider WMI Provider, extended status inside)."""
    extended = (operation, parameter, "WinMgmt")
    return WireFault("s:Sender", "n:CannotProcessFilter", 0x8033801A, text, provider=WMI_PROVIDER, extended=extended)


def not_found(operation: str, parameter: str) -> WireFault:
    """No such instance or class (recorded from 2012 R2 in OMI's tests)."""
    return WireFault(
        "s:Sender",
        "a:DestinationUnreachable",
        0x80338000,
        "The service cannot find the resource identified by the resource URI and selectors. ",
        detail_uri="InvalidResourceURI",
        provider=WMI_PROVIDER,
        extended=(operation, parameter, "CIMWin32"),
    )


def encoding_limit(text: str, code: int = 0x80338048, detail_uri: str = "MaxEnvelopeSize") -> WireFault:
    """A message that is too large for one side."""
    return WireFault("s:Sender", "w:EncodingLimit", code, text, detail_uri=detail_uri)


def timed_out() -> WireFault:
    """OperationTimeout passed; for Receive it means: ask again."""
    return WireFault("s:Receiver", "w:TimedOut", TIMED_OUT, TIMED_OUT_TEXT)


def unknown_shell(shell_id: str) -> WireFault:
    """No such shell, or no longer (recorded from Server 2016: nested in the shell provider's fault)."""
    return WireFault(
        "s:Sender",
        "w:InvalidSelectors",
        UNKNOWN_SHELL,
        f"The shell {shell_id} was not found on the server: the ShellId is wrong or the shell exists no longer. ",
        detail_uri="UnexpectedSelectors",
        provider=SHELL_PROVIDER,
    )


def unknown_command(command_id: str) -> WireFault:
    """No such command in the shell (recorded from Server 2016)."""
    text = f"The command identifier {command_id} is not valid for this shell. "
    return WireFault("s:Sender", "w:InvalidSelectors", UNKNOWN_SHELL, text, detail_uri="UnexpectedSelectors")


def bad_shell_parameter(text: str = "The parameter is incorrect. ") -> WireFault:
    """What the cmd plug-in says of a wrong value (recorded: Code 87)."""
    return WireFault(
        "s:Sender", "w:InvalidParameter", 87, text, detail_uri="InvalidValue", provider=CMD_PROVIDER, provider_text=text
    )


def shell_failure(code: int, text: str) -> WireFault:
    """What the cmd plug-in says when a program cannot be started or spoken to (recorded: Code 2147942402)."""
    return WireFault("s:Receiver", "w:InternalError", code, text, provider=CMD_PROVIDER, provider_text=text)


def too_many_shells(limit: int) -> WireFault:
    """MaxShellsPerUser reached (recorded by WinRb: 0x803381a5, category 30)."""
    text = f"This user has the most shells allowed ({limit}). Close some or raise the quota. "
    return WireFault("s:Receiver", "w:QuotaLimit", 0x803381A5, text, cim_status=27, category=30)


def too_many_operations(limit: int) -> WireFault:
    """MaxConcurrentOperationsPerUser reached (recorded: 0x803381a6)."""
    text = f"This user has the most concurrent operations allowed ({limit}). "
    return WireFault("s:Receiver", "w:InternalError", 0x803381A6, text, cim_status=27, category=30)


def from_cim(fault: CimFault, operation: str, parameter: str) -> WireFault:
    """The SOAP fault for a WMI failure; ``operation`` is WMI's name for what was tried (GetObject, ExecQuery, ...)."""
    if operation == "ExecQuery" and fault.kind in ("invalid_query", "invalid_class"):
        text = fault.message or "The data source could not process the filter. "
        return cannot_process_filter(text, parameter=parameter)
    if operation in ("GetObject", "CreateInstanceEnum") and fault.kind in ("not_found", "invalid_class"):
        return not_found(operation, parameter)
    code, status, text = _WMI_CODES[fault.kind]
    denied = fault.kind == "access_denied"
    return WireFault(
        "s:Sender" if denied else "s:Receiver",
        "w:AccessDenied" if denied else "w:InternalError",
        fault.hresult if fault.hresult is not None else code,
        f"{fault.message or text} ",
        cim_status=status,
    )
