"""The settings of a project, and the merchants that they name."""

from __future__ import annotations

from django_wxpay.conf.directories import Directory, same_account
from django_wxpay.conf.entries import Problem, entry_problems, problem_of
from django_wxpay.conf.lookups import (
    accounts,
    aliases,
    directory,
    find_merchant,
    known_keys,
    merchant,
    merchants,
    unknown,
)
from django_wxpay.conf.schema import MERCHANT_SETTINGS, SETTINGS
from django_wxpay.conf.settings import (
    Config,
    LatencyLimits,
    QuickPay,
    current,
    default_latency_limits,
    is_silenced,
    problems,
    receiver_timeout_s,
    sealing_keys,
)
from django_wxpay.conf.sources import MerchantSource

__all__ = [
    "MERCHANT_SETTINGS",
    "SETTINGS",
    "Config",
    "Directory",
    "LatencyLimits",
    "MerchantSource",
    "Problem",
    "QuickPay",
    "accounts",
    "aliases",
    "current",
    "default_latency_limits",
    "directory",
    "entry_problems",
    "find_merchant",
    "is_silenced",
    "known_keys",
    "merchant",
    "merchants",
    "problem_of",
    "problems",
    "receiver_timeout_s",
    "same_account",
    "sealing_keys",
    "unknown",
]
