"""Audit Manager, which is not in use: its lists are empty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_aws.backup.core import Call, operation


@operation("ListFrameworks")
def list_frameworks(_call: Call) -> Mapping[str, Any]:
    return {"Frameworks": []}


@operation("ListReportPlans")
def list_report_plans(_call: Call) -> Mapping[str, Any]:
    return {"ReportPlans": []}
