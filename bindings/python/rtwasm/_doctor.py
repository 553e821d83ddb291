"""The doctor: what about this machine makes real-time threads late."""
from __future__ import annotations

import ctypes
import os
from typing import cast

from . import _api
from ._api import HostClass, HostVerdict
from ._library import Handle, as_dict, check, create, lib, new


class HostReport(Handle):
    """The doctor's report: its findings, the worst first, and a verdict for each class of work."""

    _destroy = "rtw_host_report_destroy"

    def __init__(self, host_class: HostClass = HostClass.ALL, *, cpu: int | None = None, probe_ms: int = 0, period_ns: int = 0,
                 root: str | os.PathLike[str] | None = None) -> None:
        config = new(_api.rtw_host_config_t, host_class=host_class, cpu=cpu, probe_ms=probe_ms, period_ns=period_ns,
                     root=None if root is None else os.fsencode(root))
        super().__init__(create("rtw_host_check", ctypes.byref(config)))
        self.findings: list[_api.HostFinding] = []
        for index in range(lib.rtw_host_report_count(self.handle)):
            finding = new(_api.rtw_host_finding_t)
            check(lib.rtw_host_report_finding(self.handle, index, ctypes.byref(finding)))
            self.findings.append(cast(_api.HostFinding, as_dict(finding)))

    def verdict(self, host_class: HostClass = HostClass.ALL) -> HostVerdict:
        verdict = ctypes.c_uint32()
        check(lib.rtw_host_report_verdict(self.handle, host_class, ctypes.byref(verdict)))
        return HostVerdict(verdict.value)


def check_host(host_class: HostClass = HostClass.ALL, *, cpu: int | None = None, probe_ms: int = 0, period_ns: int = 0,
               root: str | os.PathLike[str] | None = None) -> HostReport:
    """Examines this machine, as `rtwasm doctor` does."""
    return HostReport(host_class, cpu=cpu, probe_ms=probe_ms, period_ns=period_ns, root=root)
