"""Commands for who runs a service: keys, tenants, and the erased words in the database's files."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import typer

from memsvc import errors
from memsvc.cli.connection import URL, Url, connected, refuse, send
from memsvc.settings import Settings

keys = typer.Typer(help="API keys of a running service (MEMSVC_API_KEY needs the scope admin).", no_args_is_help=True)
tenants = typer.Typer(help="Tenants of a service with a PostgreSQL of its own.", no_args_is_help=True)


@keys.command("create")
def create_key(
    scope: Annotated[
        list[str] | None, typer.Option(help="read, write, erase or admin, in the whole account; may be repeated.")
    ] = None,
    grant: Annotated[
        list[str] | None,
        typer.Option(
            help="In place of scopes, what it may do in some namespaces: 'team-*=read,write'; may be repeated."
        ),
    ] = None,
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    max_trust: Annotated[float, typer.Option(min=0, max=1, help="Trust in what is written with it.")] = 1.0,
    url: Url = URL,
) -> None:
    """Make a key and print it: it is shown this once."""
    if bool(scope) == bool(grant):
        raise errors.Invalid("A key has scopes or grants.", "Give --scope or --grant, each as often as needed.")
    may = {"grants": [_granted(item) for item in grant]} if grant else {"scopes": scope}
    made = send(url, "POST", "/v1/keys", {**may, "label": label, "max_trust": max_trust})
    print(made["key"])


def _granted(told: str) -> dict[str, Any]:
    """A grant from `PATTERN=SCOPE,SCOPE`. Raises Invalid."""
    namespaces, is_told, scopes = told.partition("=")
    if not is_told or not namespaces or not scopes:
        raise errors.Invalid(f"{told!r} is no grant.", "Write it as 'team-*=read,write'.")
    return {"namespaces": namespaces, "scopes": scopes.split(",")}


@keys.command("list")
def list_keys(url: Url = URL) -> None:
    """All keys of the tenant, without their secrets: a line each, its fields parted by tabs."""
    for key in send(url, "GET", "/v1/keys")["keys"]:
        ends = key["revoked_at"] or key["expires_at"] or "never"
        granted = [f"{item['namespaces']}={','.join(item['scopes'])}" for item in key.get("grants") or ()]
        scopes = " ".join(granted) or ",".join(key["scopes"])
        print(f"{key['id']}\t{scopes}\ttrust {key['max_trust']:g}\tends {ends[:19]}\t{key['label']}")


@keys.command("rotate")
def rotate_key(
    key_id: Annotated[str, typer.Argument(help="The part between mk_ and the next _.")],
    grace_hours: Annotated[float, typer.Option(min=0, max=720, help="How long the old key lives on.")] = 24.0,
    url: Url = URL,
) -> None:
    """Print a successor with the same rights; the old key ends by itself."""
    grace_s = round(dt.timedelta(hours=grace_hours).total_seconds())
    print(send(url, "POST", f"/v1/keys/{key_id}/rotate", {"grace_s": grace_s})["key"])


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="The part between mk_ and the next _.")], url: Url = URL
) -> None:
    """End a key now."""
    send(url, "POST", f"/v1/keys/{key_id}/revoke")


def scrub(url: Url = URL) -> None:
    """Remove what was erased from the embedded database's files too; requests wait meanwhile."""
    with connected(url) as client:
        reply = client.post("/v1/scrub")
    if not reply.is_success:
        refuse(reply)


@tenants.command("create")
def create_tenant(
    name: Annotated[str, typer.Argument(help="Of the account.")],
    max_namespaces: Annotated[int | None, typer.Option(min=0, help="Quota; none is no limit.")] = None,
    max_messages: Annotated[int | None, typer.Option(min=0, help="Quota; none is no limit.")] = None,
) -> None:
    """Make a tenant, or set the quotas of one, and print a key with all scopes for it (MEMSVC_DATABASEURL)."""
    from memsvc import rooms
    from memsvc.services.cells import Cells
    from memsvc.store import keys as store_keys
    from memsvc.store import schema
    from memsvc.store import tenants as store_tenants
    from memsvc.store.database import Database

    cell, settings = Settings().cells.name, Settings().database
    if settings.url is None:
        raise errors.Invalid("Tenants need a PostgreSQL of your own.", "Set MEMSVC_DATABASEURL as for the service.")
    schema.check(settings.url, rooms.root() / "migrations")
    database = Database(settings.app_url or settings.url, pool_size=1, pooled=settings.pooled)
    try:
        if cell is not None:
            Cells(database, cell).require_home("Tenants are made")
        quota = store_tenants.Quota(max_namespaces, max_messages)
        tenant_id = store_tenants.ensure(database, name, quota)
        print(store_keys.create(database, tenant_id, store_keys.SCOPES, "made with the tenant", "operator")[0])
    finally:
        database.close()
