"""The calls about a namespace's settings and about names that are one person's; as `calls` has the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from memsvc.sdk.calls import dump, get, place
from memsvc.sdk.transport import Call
from memsvc.wire import aliases as wire
from memsvc.wire import settings as wire_settings


def settings(namespace: str) -> Call[wire_settings.NamespaceSettings]:
    """What holds in the namespace, and what of it is set for it alone."""
    return get(wire_settings.NamespaceSettings, place(namespace))


def configure(namespace: str, /, **given: Any) -> Call[wire_settings.NamespaceSettings]:
    """Set what holds in the namespace, by the fields of `wire.settings.NewSettings`: secrets, retention, reply_share,
    languages, time_zone, hemisphere, language_model. What is not given stays, None is as it is for all of the service;
    needs the scope admin. Raises a ValidationError for what no namespace can have.
    """
    body = wire_settings.NewSettings.model_validate(given)
    sent = body.model_dump(mode="json", exclude_unset=True)
    return Call("PUT", place(namespace), wire_settings.NamespaceSettings.model_validate_json, sent)


def set_secrets(namespace: str, mode: wire_settings.Secrets) -> Call[wire_settings.NamespaceSettings]:
    """Keep secrets, mask them wherever they would be served, or refuse what holds one; needs the scope admin."""
    return configure(namespace, secrets=mode)


def declare_aliases(namespace: str, name: str, aliases: Sequence[str]) -> Call[list[wire.AliasResult]]:
    """Declare that `aliases` are other names of the person `name`, beside those declared before; all there are then."""
    body = wire.NewAliases(name=name, aliases=list(aliases))
    done = Call("PUT", place(namespace, "aliases"), wire.AliasList.model_validate_json, dump(body))
    return done.then(lambda reply: reply.aliases)


def aliases(namespace: str) -> Call[list[wire.AliasResult]]:
    """All declared aliases, by name."""
    return get(wire.AliasList, place(namespace, "aliases")).then(lambda reply: reply.aliases)


def take_back_alias(namespace: str, alias: str) -> Call[None]:
    """The name is somebody's own again; what was decided for the sake of it is undone."""
    return Call("DELETE", place(namespace, "aliases", alias), lambda _: None, repeatable=False)


def alias_proposals(namespace: str) -> Call[list[wire.AliasProposal]]:
    """The names that a language model takes for one person's and nobody has decided, by name; none without a model."""
    return get(wire.AliasProposalList, place(namespace, "aliases", "proposals")).then(lambda reply: reply.proposals)


def accept_alias_proposal(namespace: str, proposal_id: str) -> Call[list[wire.AliasResult]]:
    """Declare the alias that is proposed; all that there are then."""
    path = place(namespace, "aliases", "proposals", proposal_id, "accept")
    return Call("POST", path, wire.AliasList.model_validate_json, repeatable=False).then(lambda reply: reply.aliases)


def decline_alias_proposal(namespace: str, proposal_id: str) -> Call[None]:
    """The two names are two persons': they are not proposed again."""
    path = place(namespace, "aliases", "proposals", proposal_id, "decline")
    return Call("POST", path, lambda _: None, repeatable=False)
