"""The contract between the core and its plugins: hook specs and the values that cross them.

This package imports nothing else of hwcore, and no vendor's library.
"""

from hwcore.contract.artifact import (
    Artifact,
    ArtifactManifest,
    Component,
    Draft,
    FileEntry,
    LineageStep,
)
from hwcore.contract.base import HOOKS, Options, Role, Value, WorkHook
from hwcore.contract.capability import Capability, Caveat, DataNeed, Manifest, TargetNeed
from hwcore.contract.context import Context, Predict
from hwcore.contract.dataset import Column, Dataset, DatasetInfo, Metric
from hwcore.contract.device import Device, Target
from hwcore.contract.errors import (
    ArtifactCorrupt,
    Cancelled,
    HardwareUnavailable,
    HwcoreError,
    PluginError,
    ToleranceExceeded,
    UserError,
)
from hwcore.contract.hookspecs import ENTRY_POINT_GROUP, hookimpl, hookspec
from hwcore.contract.recipe import Plan, PlannedStep, Recipe, Step
from hwcore.contract.runner import Array, Arrays, Runner, Session, StatefulRunner
from hwcore.contract.sensitivity import TREATMENTS, LayerSensitivity, Sensitivity, Treatment
from hwcore.contract.signature import Dim, Fill, Integers, Mask, Normal, Signature, TensorSpec
from hwcore.contract.traits import Pattern, Produces, Sparsity, Traits
from hwcore.contract.version import CONTRACT_VERSION

__all__ = [
    "CONTRACT_VERSION",
    "ENTRY_POINT_GROUP",
    "HOOKS",
    "TREATMENTS",
    "Array",
    "Arrays",
    "Artifact",
    "ArtifactCorrupt",
    "ArtifactManifest",
    "Cancelled",
    "Capability",
    "Caveat",
    "Column",
    "Component",
    "Context",
    "DataNeed",
    "Dataset",
    "DatasetInfo",
    "Device",
    "Dim",
    "Draft",
    "FileEntry",
    "Fill",
    "HardwareUnavailable",
    "HwcoreError",
    "Integers",
    "LayerSensitivity",
    "LineageStep",
    "Manifest",
    "Mask",
    "Metric",
    "Normal",
    "Options",
    "Pattern",
    "Plan",
    "PlannedStep",
    "PluginError",
    "Predict",
    "Produces",
    "Recipe",
    "Role",
    "Runner",
    "Sensitivity",
    "Session",
    "Signature",
    "Sparsity",
    "StatefulRunner",
    "Step",
    "Target",
    "TargetNeed",
    "TensorSpec",
    "ToleranceExceeded",
    "Traits",
    "Treatment",
    "UserError",
    "Value",
    "WorkHook",
    "hookimpl",
    "hookspec",
]
