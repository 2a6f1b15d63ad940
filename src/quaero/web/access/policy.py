"""Policy: under which names this server may be reached, from where, and whether everybody has to sign in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import Final, NamedTuple

_AUTHORITY: Final = re.compile(
    r"(?P<name>\[[\da-f:.]{2,45}\]|[a-z\d_](?:[a-z\d_.-]{0,251}[a-z\d_])?\.?)(?::(?P<port>\d{1,5}))?",
    re.IGNORECASE | re.ASCII,
)
_ORIGIN: Final = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#@]+)", re.IGNORECASE)
_USUAL_PORT: Final = {"http": 80, "https": 443}
_ANY: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - to be recognised, not to be listened on


class Authority(NamedTuple):
    """Host and port of a URL; ``port`` is None where it is the usual one."""

    name: str
    port: int | None


def parse_authority(text: str) -> Authority | None:
    """``NAME``, ``NAME:PORT`` or ``[ADDRESS]:PORT`` as in a ``Host`` header; None for anything else."""
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        return None
    port = int(found["port"]) if found["port"] else None
    return Authority(normal_name(found["name"]), None if port in _USUAL_PORT.values() else port)


def parse_origin(text: str) -> Authority | None:
    """Of an ``Origin`` header; None for ``null``, other schemes and garbage."""
    found = _ORIGIN.fullmatch(text)
    return parse_authority(found["authority"]) if found else None


def normal_name(name: str) -> str:
    """A host name or address in the one form in which names are compared."""
    name = name.lower().strip("[]").removesuffix(".")
    try:
        return str(ip_address(name))
    except ValueError:
        return name


def is_loopback(name: str) -> bool:
    """Can only this host itself be meant?"""
    name = normal_name(name)
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Policy:
    """What the settings say about access, as the guard asks for it."""

    host: str = "127.0.0.1"
    """The address that is listened on."""
    hosts: tuple[str, ...] = ()
    """Further names of this server, as ``NAME`` or ``NAME:PORT``."""
    proxy: bool = False
    """Every request comes through a reverse proxy of ours."""
    machine: str = ""
    """The name of this machine: one of ours too where all addresses are listened on."""

    @property
    def asks_nobody(self) -> bool:
        """Whoever is on this host may do everything."""
        return is_loopback(self.host) and not self.proxy

    @cached_property
    def configured(self) -> frozenset[Authority]:
        """``hosts``, parsed; a bare IPv6 address counts as well."""
        return frozenset(parse_authority(text) or Authority(normal_name(text), None) for text in self.hosts)

    @cached_property
    def _names(self) -> frozenset[str]:
        names = {authority.name for authority in self.configured}
        if self.host not in _ANY:
            return frozenset({*names, normal_name(self.host)})
        machine = normal_name(self.machine)
        return frozenset({*names, machine, f"{machine}.local"}) if machine else frozenset(names)

    def is_ours(self, name: str, arrived_at: str = "") -> bool:
        """May a ``Host`` header say so? ``arrived_at``: the address of this host that the request came to.

        That address counts where all are listened on; somebody else's name for it does not (DNS rebinding).
        """
        if is_loopback(name) or name in self._names:
            return True
        return self.host in _ANY and bool(arrived_at) and name == normal_name(arrived_at)

    def is_same(self, origin: Authority, host: Authority) -> bool:
        """May a page of ``origin`` act here, when it calls this server ``host``?"""
        return origin == host or origin in self.configured
