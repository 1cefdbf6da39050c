"""Who may change the charter and the registry: what the council's statements have to be.

Asks the keys and the charter as of the statement's place in the log, and changes neither.
"""

from ledger.errors import Conflict, LedgerError, NotEndorsed, ValueRefused
from ledger.records.charters import Charters, Version
from ledger.records.statement import ParsedStatement
from ledger.storage.keyring import KeyRing
from ledger.tlog.note import ED25519, VerifierKey, parse_vkey
from schemas.statements import Registry, RegistryAction, Role

_VKEY = "statement.public.vkey"
_THRESHOLD = "statement.public.charter.council_threshold"


def check_charter(parsed: ParsedStatement, new: Version, ring: KeyRing, rules: Version) -> None:
    """Check that the council may put ``new`` in the place of ``rules``, which are in force.

    Raises ValueRefused for a threshold that nobody could meet, NotEndorsed.
    """
    council = len(ring.authors(Role.COUNCIL))
    needed = new.charter.signers_needed(council)
    if needed > council:
        raise ValueRefused(
            f"{_THRESHOLD}: {needed}, where the council has {council} authors: nobody could change"
            " this charter again",
            field=_THRESHOLD,
        )
    _check_endorsed(parsed, ring, rules)


def check_registration(
    parsed: ParsedStatement,
    public: Registry,
    ring: KeyRing,
    rules: Version,
    *,
    charters: Charters,
    origin: str,
) -> VerifierKey:
    """The key that a registry statement adds or retires, if it may.

    Raises ValueRefused for a key that no author of this log can have, AuthorUnknown and Conflict
    for one that is not there or was there before, NotEndorsed.
    """
    key = _author_key(public, origin)
    retires = public.action is RegistryAction.RETIRE
    if retires:
        held = ring.find(public.name, key.key_id)
        if not held.valid or held.public_key != key.public_key:
            raise Conflict(f"the key {key.key_id:08x} of {public.name} is retired already")
        if held.role is Role.COUNCIL and ring.count_valid(Role.COUNCIL) == 1:
            raise Conflict(
                "this is the council's last key, and without one the registry could never "
                "change again: add the new key first"
            )
    elif ring.has_ever_held(key.key_id):
        raise Conflict(f"the key {key.key_id:08x} is in the registry, or was: make a new one")
    about = ring.find(public.name, key.key_id).role if retires else public.role
    if about is Role.COUNCIL:
        # Otherwise one of the council would register four others, and be a council by itself.
        _check_endorsed(parsed, ring, rules)
        if retires:
            _check_seats(len(ring.authors(Role.COUNCIL, without=key.key_id)), rules, charters)
    return key


def _check_seats(left: int, rules: Version, charters: Charters) -> None:
    """Check that a council of ``left`` can meet every threshold that is, or is yet to be, asked."""
    asked = [each.charter.council_threshold for each in charters.versions[charters.place(rules) :]]
    most = max((each for each in asked if each is not None), default=0)
    if left < most:
        raise Conflict(
            f"without this key the council has fewer authors than the {most} that a charter in"
            " force, or yet to come, asks for: add one first, or change the charter"
        )


def _author_key(public: Registry, origin: str) -> VerifierKey:
    try:
        key = parse_vkey(public.vkey)
    except LedgerError as error:
        raise ValueRefused(f"{_VKEY}: {error}", field=_VKEY) from None
    expected = f"{origin}/{public.name}"
    if key.name != expected:
        raise ValueRefused(
            f"{_VKEY}: the key is named {key.name} where the registry names keys by origin and"
            f" author, {expected}",
            field=_VKEY,
        )
    if key.type != ED25519:
        # A witness's key, whose ID counts its type: what it signed would verify for nobody,
        # and a log that names it as an author's is one that no verifier can accept again.
        raise ValueRefused(
            f"{_VKEY}: the key is of type {key.type:#04x} where authors sign with Ed25519,"
            f" {ED25519:#04x}",
            field=_VKEY,
        )
    return key


def _check_endorsed(parsed: ParsedStatement, ring: KeyRing, rules: Version) -> None:
    """Check that as many of the council have signed as the charter in force asks for."""
    council = len(ring.authors(Role.COUNCIL))
    needed = rules.charter.signers_needed(council)
    signed = 1 + len(parsed.endorsements)
    if signed < needed:
        raise NotEndorsed(
            f"endorsements: {signed} of the council signed, and the charter in force, entry"
            f" {rules.index}, asks for {needed} of {council}"
        )
