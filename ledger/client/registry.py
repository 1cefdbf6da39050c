"""Whose key may sign, and what the council decided: made from the entries that say so.

The registry's and the charter's entries hold each other up: how many of the council must sign is a
rule of the charter, and whose signature counts is in the registry. So both are taken in together,
in log order.
"""

from dataclasses import dataclass

from ledger.client.tree import Leaf
from ledger.errors import AuthorUnknown, NotEndorsed, OutOfOrder
from ledger.records.charters import Charters, Version
from ledger.records.charters_shown import Enacted, enacted_of
from ledger.records.statement import ParsedStatement, verify_statement
from ledger.tlog.note import VerifierKey, parse_vkey
from schemas.statements import CharterVersion, RegistryAction, Role
from schemas.statements import Registry as RegistryStatement

UNKNOWN = "the registry has no key {} of {} that is valid at entry {}"


@dataclass(slots=True)
class _Key:
    name: str
    role: Role
    vkey: VerifierKey
    since: int
    until: int | None = None

    def is_valid(self, index: int) -> bool:
        return self.since < index and (self.until is None or index < self.until)


class Registry:
    """The authors' keys and the charter as of the entries taken in, which come in log order."""

    def __init__(self) -> None:
        self._keys: dict[str, list[_Key]] = {}
        self._charters: Charters | None = None
        self.enacted: list[Enacted] = []
        """The versions of the charter, each signed by as many as it takes."""

    def take(self, leaf: Leaf) -> None:
        """Take in an entry; those that register no key and set no charter change nothing.

        Raises what ``check`` does, NotEndorsed where too few of the council have signed, and
        Conflict, OutOfOrder or ValueRefused for a charter that may not stand there.
        """
        genesis = leaf.entry.genesis
        if genesis is not None:
            for author in genesis.authors:
                self._add(author.name, author.role, author.vkey, leaf.index)
            self._charters = Charters([Version(leaf.index, leaf.entry.logged_at, genesis.charter)])
            self.enacted = [enacted_of(leaf.index, leaf.entry, needed=None)]
            return
        signed = leaf.entry.signed
        match signed.public if signed else None:
            case RegistryStatement() as public:
                self.check(leaf)
                if self._is_guarded(public, leaf):
                    self._check_council(leaf)
                self._register(public, leaf.index)
            case CharterVersion() as public:
                self.check(leaf)
                needed = self._check_council(leaf)
                charters = self._known(leaf)
                self._charters = charters.after(
                    public, index=leaf.index, logged_at=leaf.entry.logged_at
                )
                self.enacted.append(enacted_of(leaf.index, leaf.entry, needed=needed))

    def check(self, leaf: Leaf) -> None:
        """Check the author's signature of a statement entry.

        Raises AuthorUnknown for a key that is not valid there, SignatureError for a wrong one.
        """
        signed = leaf.entry.signed
        assert signed is not None
        self._verify(signed, signed.statement.author, signed.key_id, signed.signature, leaf.index)

    def holds(self, name: str, vkey: str) -> bool:
        """Whether an entry that was taken in registered this key for this author."""
        key = parse_vkey(vkey)
        return any(
            known.name == name and known.vkey == key
            for known in self._keys.get(f"{key.key_id:08x}", ())
        )

    def council(self, index: int) -> dict[str, list[VerifierKey]]:
        """The keys of the council that are valid at ``index``, by the author's name."""
        found: dict[str, list[VerifierKey]] = {}
        for keys in self._keys.values():
            for key in keys:
                if key.role is Role.COUNCIL and key.is_valid(index):
                    found.setdefault(key.name, []).append(key.vkey)
        return found

    def needed(self, leaf: Leaf) -> int:
        """How many of the council have to sign an entry that stands where ``leaf`` does."""
        charter = self._known(leaf).in_force(leaf.entry.logged_at).charter
        return charter.signers_needed(len(self.council(leaf.index)))

    def _is_guarded(self, public: RegistryStatement, leaf: Leaf) -> bool:
        """Whether a key of the council is added or retired where one member may not do so alone."""
        role = public.role
        if public.action is RegistryAction.RETIRE:
            known = self._keys.get(f"{parse_vkey(public.vkey).key_id:08x}", ())
            role = next((key.role for key in known if key.name == public.name), role)
        threshold = self._known(leaf).in_force(leaf.entry.logged_at).charter.council_threshold
        return role is Role.COUNCIL and threshold is not None and threshold > 1

    def _check_council(self, leaf: Leaf) -> int:
        """Check that enough of the council have signed; how many that takes."""
        signed = leaf.entry.signed
        assert signed is not None
        council, needed = self.council(leaf.index), self.needed(leaf)
        signers = [signed.statement.author, *(each.author for each in signed.endorsements)]
        for name in signers:
            if name not in council:
                raise AuthorUnknown(f"{name} signs entry {leaf.index} and is not of the council")
        for each in signed.endorsements:
            self._verify(signed, each.author, each.key_id, each.signature, leaf.index)
        if len(signers) < needed:
            raise NotEndorsed(
                f"entry {leaf.index} has {len(signers)} signatures of the council, and the charter"
                f" asks for {needed}"
            )
        return needed

    def _verify(
        self, signed: ParsedStatement, author: str, key_id: int, signature: bytes, index: int
    ) -> None:
        for key in self._keys.get(f"{key_id:08x}", ()):
            if key.name == author and key.is_valid(index):
                verify_statement(signed.body, public_key=key.vkey.public_key, signature=signature)
                return
        raise AuthorUnknown(UNKNOWN.format(f"{key_id:08x}", author, index))

    def _known(self, leaf: Leaf) -> Charters:
        if self._charters is None:
            raise OutOfOrder(f"entry {leaf.index} comes before any charter")
        return self._charters

    def _register(self, public: RegistryStatement, index: int) -> None:
        if public.action is RegistryAction.ADD:
            self._add(public.name, public.role, public.vkey, index)
            return
        key_id = parse_vkey(public.vkey).key_id
        for key in self._keys.get(f"{key_id:08x}", ()):
            if key.name == public.name and key.until is None:
                key.until = index

    def _add(self, name: str, role: Role, vkey: str, index: int) -> None:
        key = parse_vkey(vkey)
        self._keys.setdefault(f"{key.key_id:08x}", []).append(_Key(name, role, key, index))
