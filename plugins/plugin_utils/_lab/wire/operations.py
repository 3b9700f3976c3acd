# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be asked of a server's WMI: Enumerate, Pull, Release, Get, Delete and Invoke on classes of any namespace."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cim import CimFault, CimInstance
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import LabMachine
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire import faults, names, soap, values
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire.enumeration import Enumerations, Page

_MODES = ("EnumerateObject", "EnumerateEPR", "EnumerateObjectAndEPR")


@dataclass(frozen=True)
class Resource:
    """A class in a namespace; ``class_name`` is ``*`` for a query that names its class itself."""

    uri: str
    namespace: str
    class_name: str


@dataclass(frozen=True)
class Done:
    """A finished operation: the body of its answer, the prefixes it uses, and its name and target for the record."""

    body: str
    prefixes: str
    method: str
    target: str


def is_wmi(uri: str) -> bool:
    """Whether a resource URI speaks of CIM classes (MS-WSMV 3.1.4.1.1)."""
    lowered = uri.lower()
    return lowered.startswith((names.WMI_PREFIX, names.DMTF_PREFIX)) or lowered == names.DMTF_ALL_CLASSES


def parse_resource(uri: str, selectors: dict[str, str]) -> Resource:
    """The class a URI names. ``__cimnamespace`` overrides the namespace; the DMTF prefix has a default for it."""
    chosen = next((value for name, value in selectors.items() if name.lower() == "__cimnamespace"), "")
    if uri.lower().startswith(names.WMI_PREFIX):
        namespace, _separator, class_name = uri[len(names.WMI_PREFIX) :].rpartition("/")
    else:
        namespace, class_name = names.DMTF_DEFAULT_NAMESPACE, uri.rpartition("/")[2]
    namespace = (chosen or namespace).replace("\\", "/").strip("/")
    if not namespace or not class_name:
        raise faults.invalid_resource(uri)
    return Resource(uri, namespace, class_name)


def _keys(selectors: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in selectors.items() if name.lower() != "__cimnamespace"}


class CimOperations:
    """The CIM half of one machine's WinRM service."""

    def __init__(self, machine: LabMachine, enumerations: Enumerations) -> None:
        self._machine = machine
        self._enumerations = enumerations

    def handle(self, request: soap.Request, user: str) -> Done:
        """Do what the request asks. Raises WireFault."""
        if request.action == names.ACTION_PULL:
            return self._pull(request)
        if request.action == names.ACTION_RELEASE:
            return self._release(request)
        resource = parse_resource(request.resource_uri, request.selectors)
        if request.action == names.ACTION_ENUMERATE:
            return self._enumerate(request, resource)
        if resource.class_name == "*":
            raise faults.action_not_supported(request.action)
        if request.action == names.ACTION_GET:
            return self._get(request, resource)
        if request.action == names.ACTION_DELETE:
            return self._delete(request, resource, user)
        method = self._method_of(request)
        if not method:
            raise faults.action_not_supported(request.action)
        return self._invoke(request, resource, method, user)

    def _method_of(self, request: soap.Request) -> str:
        uri, _separator, method = request.action.rpartition("/")
        return method if uri.lower() == request.resource_uri.rstrip("/").lower() else ""

    # -- Enumerate ---------------------------------------------------------------------------------------------------

    def _enumerate(self, request: soap.Request, resource: Resource) -> Done:
        body = request.body
        if body is None or body.tag != f"{{{names.ENUMERATION}}}Enumerate":
            raise faults.schema_error("The body of the request is not an Enumerate element. ")
        keys = _keys(request.selectors)
        if keys:
            text = "The resource URI of an Enumerate must not contain keys. "
            raise faults.WireFault("s:Sender", "w:InvalidSelectors", 0x80338108, text, detail_uri="UnexpectedSelectors")
        mode = soap.text_of(soap.child(body, names.WSMAN, "EnumerationMode")) or _MODES[0]
        if mode not in _MODES:
            raise faults.unsupported_feature("EnumerationMode", f"The enumeration mode {mode} is unknown. ", 0x80338086)
        wql = self._query_text(request, resource)
        try:
            found = self._machine.query(
                resource.namespace, wql, None if resource.class_name == "*" else resource.class_name
            )
        except CimFault as fault:
            operation = "ExecQuery" if wql is not None else "CreateInstanceEnum"
            raise faults.from_cim(fault, operation, wql if wql is not None else resource.class_name) from fault
        count = 0
        if soap.child(body, names.WSMAN, "OptimizeEnumeration") is not None:
            asked = self._max_elements(soap.text_of(soap.child(body, names.WSMAN, "MaxElements")))
            count = 1 if self._machine.limits.one_row_first else asked
        items = [_item(instance, mode) for instance in found]
        page = self._enumerations.start(items, count, *self._sizes(request))
        answer = _context(page) + (_items("w", page) if count else "")
        target = wql if wql is not None else resource.class_name
        return Done(f"<n:EnumerateResponse>{answer}</n:EnumerateResponse>", "sanwp", "Enumerate", target)

    def _query_text(self, request: soap.Request, resource: Resource) -> str | None:
        body = request.body
        given = [] if body is None else [part for part in body if soap.local_name(part) == "Filter"]
        if not given:
            if resource.class_name == "*":
                text = "A query is needed when the resource URI names no class. "
                raise faults.WireFault("s:Sender", "n:CannotProcessFilter", 0x8033804F, text)
            return None
        dialect = (given[0].get("Dialect") or "").strip()
        if dialect != names.WQL_DIALECT:
            raise faults.dialect_unavailable(dialect)
        wql = soap.text_of(given[0])
        if not wql:
            raise faults.cannot_process_filter("The filter is empty. ")
        return wql

    def _max_elements(self, value: str) -> int:
        """MaxElements; one when absent (a Pull without it gives one item)."""
        if not value:
            return 1
        if not value.isascii() or not value.isdigit() or int(value[:12]) == 0:
            raise faults.schema_error("MaxElements is not a positive number. ")
        return min(int(value[:12]), self._machine.limits.max_batch_items)

    def _sizes(self, request: soap.Request) -> tuple[int, int]:
        """Bytes for the items of a page, and for a whole answer."""
        envelope = self._machine.limits.max_envelope_size_kb * 1024
        if request.max_envelope_size is not None:
            envelope = min(envelope, request.max_envelope_size)
        return envelope // 2, envelope

    def _pull(self, request: soap.Request) -> Done:
        body = self._context_body(request, "Pull")
        context = soap.text_of(soap.child(body, names.ENUMERATION, "EnumerationContext"))
        count = self._max_elements(soap.text_of(soap.child(body, names.ENUMERATION, "MaxElements")))
        page = self._enumerations.pull(context, count, *self._sizes(request))
        answer = _context(page) + _items("n", page)
        return Done(f"<n:PullResponse>{answer}</n:PullResponse>", "sanwp", "Pull", request.resource_uri)

    def _release(self, request: soap.Request) -> Done:
        body = self._context_body(request, "Release")
        self._enumerations.release(soap.text_of(soap.child(body, names.ENUMERATION, "EnumerationContext")))
        return Done("", "sanwp", "Release", request.resource_uri)

    @staticmethod
    def _context_body(request: soap.Request, name: str) -> Element:
        if request.body is None or request.body.tag != f"{{{names.ENUMERATION}}}{name}":
            raise faults.schema_error(f"The body of the request is not a {name} element. ")
        return request.body

    # -- one instance ------------------------------------------------------------------------------------------------

    def _get(self, request: soap.Request, resource: Resource) -> Done:
        selectors = _keys(request.selectors)
        try:
            instance = self._machine.get(resource.namespace, resource.class_name, selectors)
        except CimFault as fault:
            raise faults.from_cim(fault, "GetObject", _path(resource, selectors)) from fault
        return Done(values.instance_xml(instance), "saxwp", "Get", resource.class_name)

    def _delete(self, request: soap.Request, resource: Resource, user: str) -> Done:
        selectors = _keys(request.selectors)
        try:
            self._machine.delete(resource.namespace, resource.class_name, selectors, user)
        except CimFault as fault:
            operation = "GetObject" if fault.kind in ("not_found", "invalid_class") else "DeleteInstance"
            raise faults.from_cim(fault, operation, _path(resource, selectors)) from fault
        return Done("", "saxwp", "Delete", resource.class_name)

    def _invoke(self, request: soap.Request, resource: Resource, method: str, user: str) -> Done:
        body = request.body
        if body is not None and soap.local_name(body).lower() != f"{method}_INPUT".lower():
            raise faults.schema_error(f"The body of the request is not a {method}_INPUT element. ")
        parameters = values.read_parameters(body if body is not None else ())
        selectors = _keys(request.selectors)
        try:
            out = self._machine.invoke(resource.namespace, resource.class_name, method, parameters, selectors, user)
        except CimFault as fault:
            raise faults.from_cim(fault, "ExecMethod", f"{_path(resource, selectors)}::{method}") from fault
        text = values.output_xml(resource.uri, method, out)
        return Done(text, "sawp", f"Invoke:{method}", resource.class_name)


def _item(instance: CimInstance, mode: str) -> str:
    match mode:
        case "EnumerateEPR":
            return values.reference_xml(instance)
        case "EnumerateObjectAndEPR":
            return f"<w:Item>{values.instance_xml(instance)}{values.reference_xml(instance)}</w:Item>"
    return values.instance_xml(instance)


def _context(page: Page) -> str:
    """The context for the next Pull; the element stays, empty, when there is none."""
    return f"<n:EnumerationContext>{page.context}</n:EnumerationContext>" if page.context else "<n:EnumerationContext/>"


def _items(prefix: str, page: Page) -> str:
    """Items and EndOfSequence: in w: of an EnumerateResponse, in n: of a PullResponse (captures)."""
    inside = f"<{prefix}:Items>{''.join(page.items)}</{prefix}:Items>" if page.items else f"<{prefix}:Items/>"
    return inside + (f"<{prefix}:EndOfSequence/>" if page.is_last else "")


def _path(resource: Resource, selectors: dict[str, str]) -> str:
    keys = ",".join(f'{name}="{value}"' for name, value in selectors.items())
    return f"{resource.class_name}.{keys}" if keys else resource.class_name
