"""The registry: every provider Aftersend can talk to, by key. Adding one is one file and one line here."""

from __future__ import annotations

from providers.base import Provider
from providers.bridgexapi import BridgeXApi
from providers.bsg import Bsg
from providers.esms_africa import EsmsAfrica
from providers.roycetalk import RoyceTalk
from providers.smsbat import SmsBat

PROVIDERS: dict[str, Provider] = {p.key: p for p in (BridgeXApi(), Bsg(), RoyceTalk(), SmsBat(), EsmsAfrica())}
