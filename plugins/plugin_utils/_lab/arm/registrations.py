# Copyright (c) 2026, the winops.hotpatch contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a subscription is registered for: resource providers, and preview features of them.

Addresses and documents: Microsoft's specifications (Features 2015-12-01 and 2021-07-01, Resources 2024-07-01). A
provider that the subscription is not registered for refuses every request with MissingSubscriptionRegistration. That a
feature takes about ten minutes and a provider about one, and that nothing else depends on the old features of
Microsoft.Compute any more, are this lab's assumptions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.exchange import (
    ArmAnswer,
    ArmRefusal,
    ArmRequest,
)
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.routes import SUBSCRIPTION, Route
from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.azure_side import PROVIDERS

if TYPE_CHECKING:
    from ansible_collections.winops.hotpatch.plugins.plugin_utils._lab.arm.azure import Azure

FEATURE_VERSIONS = ("2015-12-01", "2021-07-01")
PROVIDER_VERSIONS = ("2019-10-01", "2019-12-01", "2020-06-01", "2021-04-01", "2022-09-01", "2024-07-01")
FEATURE_SECONDS, PROVIDER_SECONDS = 600.0, 60.0
#: Namespace to the features it has here.
FEATURES = {
    "microsoft.compute": ("InGuestHotPatchVMPreview", "InGuestAutoPatchVMPreview", "InGuestPatchVMPreview"),
    "microsoft.maintenance": ("InGuestPatchPreview",),
}
#: Whoever provides these is there for every subscription.
_ALWAYS = ("microsoft.resources", "microsoft.features", "microsoft.resourcegraph", "microsoft.authorization")


@dataclass
class _Entry:
    """A state, and what it becomes at a moment."""

    state: str
    following: str = ""
    at: float = 0.0


class Registrations:
    """Of one subscription."""

    def __init__(self, azure: Azure) -> None:
        self._azure = azure
        unregistered = {name.lower() for name in azure.side.settings.unregistered_providers}
        self._providers = {
            name.lower(): _Entry("NotRegistered" if name.lower() in unregistered else "Registered")
            for name in PROVIDERS
        }
        self._features = {
            (namespace, name.lower()): _Entry("NotRegistered")
            for namespace, names in FEATURES.items()
            for name in names
        }

    def check(self, namespace: str) -> None:
        """:raises ArmRefusal: the subscription is not registered for the provider."""
        known = namespace.lower()
        if known in _ALWAYS or known not in self._providers or self._state(self._providers[known]) == "Registered":
            return
        raise ArmRefusal(
            409,
            "MissingSubscriptionRegistration",
            f"The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found for "
            "how to register subscriptions.",
        )

    def provider(self, namespace: str) -> _Entry:
        """:raises ArmRefusal: there is no such provider."""
        found = self._providers.get(namespace.lower())
        if found is None:
            raise ArmRefusal(404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid.")
        return found

    def feature(self, namespace: str, name: str) -> _Entry:
        """:raises ArmRefusal: there is no such feature."""
        found = self._features.get((namespace.lower(), name.lower()))
        if found is None:
            raise ArmRefusal(404, "FeatureNotFound", f"The feature '{name}' could not be found.")
        return found

    def move(self, entry: _Entry, on: bool, seconds: float) -> None:
        """Register or take back; what stands so already stays."""
        wanted, moving = ("Registered", "Registering") if on else ("Unregistered", "Unregistering")
        now = self._state(entry)
        if now in (wanted, moving) or (not on and now == "NotRegistered"):
            return
        timeline = self._azure.timeline
        entry.state, entry.following = moving, wanted
        entry.at = timeline.seconds() + seconds / timeline.scale

    def state(self, entry: _Entry) -> str:
        """How it stands now."""
        return self._state(entry)

    def _state(self, entry: _Entry) -> str:
        if entry.following and self._azure.timeline.seconds() >= entry.at:
            entry.state, entry.following = entry.following, ""
        return entry.state


def _spelled(namespace: str) -> str:
    return next((name for name in PROVIDERS if name.lower() == namespace.lower()), namespace)


def _feature_document(azure: Azure, request: ArmRequest, namespace: str, name: str) -> dict[str, Any]:
    state = azure.registrations.state(azure.registrations.feature(namespace, name))
    names = FEATURES[namespace.lower()]
    spelled = next(item for item in names if item.lower() == name.lower())
    provider = _spelled(namespace)
    return {
        "properties": {"state": state},
        "id": f"/subscriptions/{request.names['subscription']}/providers/Microsoft.Features/providers/{provider}"
        f"/features/{spelled}",
        "type": "Microsoft.Features/providers/features",
        "name": f"{provider}/{spelled}",
    }


def _feature(azure: Azure, request: ArmRequest) -> ArmAnswer:
    return ArmAnswer(200, _feature_document(azure, request, request.names["namespace"], request.names["feature"]))


def _features(azure: Azure, request: ArmRequest) -> ArmAnswer:
    namespace = request.names["namespace"]
    names = FEATURES.get(namespace.lower(), ())
    return ArmAnswer(200, {"value": [_feature_document(azure, request, namespace, name) for name in names]})


def _move_feature(azure: Azure, request: ArmRequest) -> ArmAnswer:
    entry = azure.registrations.feature(request.names["namespace"], request.names["feature"])
    azure.registrations.move(entry, request.path.rstrip("/").lower().endswith("/register"), FEATURE_SECONDS)
    return _feature(azure, request)


def _provider_document(azure: Azure, request: ArmRequest, namespace: str) -> dict[str, Any]:
    entry = azure.registrations.provider(namespace)
    spelled = _spelled(namespace)
    return {
        "id": f"/subscriptions/{request.names['subscription']}/providers/{spelled}",
        "namespace": spelled,
        "registrationState": azure.registrations.state(entry),
        "registrationPolicy": "RegistrationRequired",
        "resourceTypes": [],
    }


def _provider(azure: Azure, request: ArmRequest) -> ArmAnswer:
    return ArmAnswer(200, _provider_document(azure, request, request.names["namespace"]))


def _providers(azure: Azure, request: ArmRequest) -> ArmAnswer:
    return ArmAnswer(200, {"value": [_provider_document(azure, request, name) for name in PROVIDERS]})


def _move_provider(azure: Azure, request: ArmRequest) -> ArmAnswer:
    entry = azure.registrations.provider(request.names["namespace"])
    azure.registrations.move(entry, request.path.rstrip("/").lower().endswith("/register"), PROVIDER_SECONDS)
    return _provider(azure, request)


_FEATURE = SUBSCRIPTION + "/providers/Microsoft.Features/providers/{namespace}/features"
_PROVIDER = SUBSCRIPTION + "/providers/{namespace}"
_KIND = "Microsoft.Features/providers/features"
ROUTES = (
    Route("GET", f"{_FEATURE}/{{feature}}", f"{_KIND}/read", FEATURE_VERSIONS, _feature),
    Route("GET", _FEATURE, f"{_KIND}/read", FEATURE_VERSIONS, _features),
    Route("POST", f"{_FEATURE}/{{feature}}/register", f"{_KIND}/register/action", FEATURE_VERSIONS, _move_feature),
    Route("POST", f"{_FEATURE}/{{feature}}/unregister", f"{_KIND}/unregister/action", FEATURE_VERSIONS, _move_feature),
    Route("GET", _PROVIDER, "Microsoft.Resources/subscriptions/providers/read", PROVIDER_VERSIONS, _provider),
    Route(
        "GET",
        f"{SUBSCRIPTION}/providers",
        "Microsoft.Resources/subscriptions/providers/read",
        PROVIDER_VERSIONS,
        _providers,
    ),
    Route("POST", f"{_PROVIDER}/register", "{namespace}/register/action", PROVIDER_VERSIONS, _move_provider),
    Route("POST", f"{_PROVIDER}/unregister", "{namespace}/unregister/action", PROVIDER_VERSIONS, _move_provider),
)
