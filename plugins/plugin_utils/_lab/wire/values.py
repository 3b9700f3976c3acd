# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CIM values to XML and back, in the forms of Windows' WMI plug-in (MS-WSMV 2.2.4; captures of 2008 R2 to Windows 10).

Null is ``xsi:nil``, an empty string an empty element, an array its element repeated, a null or empty array nothing at
all.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from xml.etree.ElementTree import Element
from xml.sax.saxutils import quoteattr

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.cim import CimInstance, CimValue
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.interface import RawParameters
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.wire import names, soap

_XSI_NIL = f"{{{names.XSI}}}nil"
_XSI_TYPE = f"{{{names.XSI}}}type"
_XML_TYPES = f' xmlns:xsi="{names.XSI}" xmlns:cim="{names.CIM_COMMON}"'


def class_uri(namespace: str, class_name: str) -> str:
    """The resource URI of a class, which is also the XML namespace of its elements."""
    return f"{names.WMI_PREFIX}{namespace}/{class_name}"


def instance_xml(instance: CimInstance) -> str:
    """One item of an Enumerate or the body of a Get: the class element; an XmlFragment when properties were named."""
    if instance.projected:
        inside = "".join(_property(name, value, "") for name, value in instance.properties.items())
        return f"<w:XmlFragment{_XML_TYPES}>{inside}</w:XmlFragment>"
    name = instance.class_name
    uri = quoteattr(class_uri(instance.namespace, name))
    inside = "".join(_property(key, value, "p:") for key, value in instance.properties.items())
    return f'<p:{name}{_XML_TYPES} xmlns:p={uri} xsi:type="p:{name}_Type">{inside}</p:{name}>'


def output_xml(uri: str, method: str, values: dict[str, CimValue]) -> str:
    """The body of an Invoke answer."""
    inside = "".join(_property(name, value, "p:") for name, value in values.items())
    return f"<p:{method}_OUTPUT{_XML_TYPES} xmlns:p={quoteattr(uri)}>{inside}</p:{method}_OUTPUT>"


def reference_xml(instance: CimInstance) -> str:
    """The endpoint reference of an instance (EnumerationMode EnumerateEPR, DSP0226 8.7)."""
    selectors = [("__cimnamespace", instance.namespace)]
    selectors += [(key, _scalar_text(instance.value(key))) for key in instance.keys]
    inside = "".join(
        f"<w:Selector Name={quoteattr(key)}>{soap.safe_text(value)}</w:Selector>" for key, value in selectors
    )
    uri = soap.safe_text(class_uri(instance.namespace, instance.class_name))
    return (
        f"<a:EndpointReference><a:Address>{names.ANONYMOUS}</a:Address><a:ReferenceParameters>"
        f"<w:ResourceURI>{uri}</w:ResourceURI><w:SelectorSet>{inside}</w:SelectorSet>"
        "</a:ReferenceParameters></a:EndpointReference>"
    )


def _property(name: str, item: CimValue, prefix: str) -> str:
    tag = f"{prefix}{name}"
    if item.is_array:
        return "".join(_element(tag, value) for value in item.value or ())
    return f'<{tag} xsi:nil="true"/>' if item.value is None else _element(tag, item.value)


def _element(tag: str, value: Any) -> str:
    match value:
        case None:
            return f'<{tag} xsi:nil="true"/>'
        case CimInstance():
            name = value.class_name
            inside = "".join(_property(key, item, "q:") for key, item in value.properties.items())
            uri = quoteattr(class_uri(value.namespace, name))
            return f'<{tag} xmlns:q={uri} xsi:type="q:{name}_Type">{inside}</{tag}>'
        case datetime():
            return f"<{tag}><cim:Datetime>{datetime_text(value)}</cim:Datetime></{tag}>"
        case timedelta():
            return f"<{tag}><cim:Interval>{interval_text(value)}</cim:Interval></{tag}>"
    return f"<{tag}>{soap.safe_text(_scalar_text(value))}</{tag}>"


def _scalar_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return datetime_text(value)
    return "" if value is None else str(value)


def datetime_text(value: datetime) -> str:
    """``2014-04-03T14:45:50.46875+08:00``: the fraction without trailing zeros, Z for UTC."""
    text = value.strftime("%Y-%m-%dT%H:%M:%S")
    if value.microsecond:
        text += f".{value.microsecond:06d}".rstrip("0")
    offset = value.strftime("%z")
    return f"{text}Z" if offset in ("", "+0000") else f"{text}{offset[:3]}:{offset[3:5]}"


def interval_text(value: timedelta) -> str:
    """``P0DT0H1M40S``."""
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    fraction = f".{value.microseconds:06d}".rstrip("0") if value.microseconds else ""
    return f"P{value.days}DT{hours}H{minutes}M{seconds}{fraction}S"


def read_parameters(children: Iterable[Element]) -> RawParameters:
    """The parameters of a method, or the properties of an embedded instance, as they came."""
    found: RawParameters = {}
    for element in children:
        found.setdefault(soap.local_name(element), []).append(_read_value(element))
    return found


def _read_value(element: Element) -> Any:
    if soap.is_true(element.get(_XSI_NIL)):
        return None
    if not len(element):
        return element.text or ""
    first = element[0]
    if first.tag in (f"{{{names.CIM_COMMON}}}Datetime", f"{{{names.CIM_COMMON}}}Interval"):
        return soap.text_of(first)
    embedded: dict[str, Any] = dict(read_parameters(element))
    embedded["__class"] = _embedded_class(element)
    return embedded


def _embedded_class(element: Element) -> str:
    """The class of an embedded instance: from xsi:type, else from the namespace of its first property."""
    declared = (element.get(_XSI_TYPE) or "").rpartition(":")[2]
    if declared:
        return declared.removesuffix("_Type")
    return element[0].tag.partition("}")[0].rpartition("/")[2]
