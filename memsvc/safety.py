"""What a start refuses: settings that are fine on one's own machine and unsafe where others can reach the service."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from memsvc import errors
from memsvc.settings import ServerSettings, Settings

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_MIN_KEY_CHARS = 24


def listed(text: str) -> list[str]:
    """The entries of a setting that takes several, by comma."""
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def is_open(server: ServerSettings) -> bool:
    """Whether anybody but this machine can reach the service."""
    return server.host.lower() not in _LOOPBACK_NAMES


def own_hosts(server: ServerSettings) -> list[str]:
    """The names that a Host header may bear: loopback, the address listened on, and those of MEMSVC_ALLOWED_HOSTS."""
    return [*_LOOPBACK_NAMES, server.host, *listed(server.allowed_hosts)]


def check(settings: Settings) -> None:
    """Raises Invalid, naming the setting and what to do, before anything is started."""
    server = settings.server
    if is_open(server):
        if not listed(server.allowed_hosts):
            raise errors.Invalid(
                f"The service would listen on {server.host} and answer to no name of its own.",
                "Set MEMSVC_ALLOWED_HOSTS to the names it is reached by, for example memory.example.com.",
            )
        if "*" in listed(server.allowed_hosts) or "*" in listed(server.allowed_origins):
            raise errors.Invalid(
                'MEMSVC_ALLOWED_HOSTS or _ORIGINS is "*" on an open address.', "Name the hosts and origins one by one."
            )
        if server.api_key is not None and len(server.api_key) < _MIN_KEY_CHARS:
            raise errors.Invalid(
                f"MEMSVC_API_KEY has under {_MIN_KEY_CHARS} characters, and the service would listen on {server.host}.",
                "Make one with: openssl rand -hex 32.",
            )
    if settings.database.replica_url is not None and settings.database.url is None:
        raise errors.Invalid(
            "MEMSVC_DATABASE_REPLICA_URL is set, and the embedded database has no replica.",
            "Set MEMSVC_DATABASE_URL to the primary of that replica, or unset it.",
        )
    if settings.telemetry.otlp_url is not None:
        endpoint("MEMSVC_TELEMETRY_OTLP_URL", settings.telemetry.otlp_url, carries_key=False)
    if settings.generator.url is not None:
        endpoint("MEMSVC_GENERATOR_URL", settings.generator.url, carries_key=settings.generator.api_key is not None)


def endpoint(name: str, url: str, *, carries_key: bool) -> None:
    """Rules for an address that the service will call. Addresses come from the operator alone, never from a request.

    Raises Invalid for anything but http and https, for a password in the address, for link-local addresses (there
    clouds keep their machines' credentials), and for a key that would travel in the clear to another machine.
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        is_local = host in _LOOPBACK_NAMES
    except ValueError:
        raise errors.Invalid(f"{name} is no address.", "Give one like https://host/v1.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise errors.Invalid(f"{name} must begin with http:// or https://.", "Give one like https://host/v1.")
    if parts.username is not None or parts.password is not None:
        raise errors.Invalid(f"{name} holds a user name or password.", "Take it out, and set the key beside it.")
    if _is_link_local(host):
        raise errors.Invalid(f"{name} names a link-local address.", "Give the address of the endpoint itself.")
    if carries_key and parts.scheme == "http" and not is_local and not _is_private(host):
        raise errors.Invalid(f"{name} would send its key in the clear.", "Use https://.")


def _is_link_local(host: str) -> bool:
    address = _address(host)
    return (host.endswith(".internal") and host.startswith("metadata.")) or bool(address and address.is_link_local)


def _is_private(host: str) -> bool:
    address = _address(host)
    # A bare name is resolved inside one's own network: a compose service, a machine next door.
    return address.is_private if address else "." not in host


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
