"""Whose key may sign: the registry, made from the entries that registered each key."""

from dataclasses import dataclass

from ledger.client.tree import Leaf
from ledger.errors import AuthorUnknown
from ledger.records.statement import verify_statement
from ledger.tlog.note import VerifierKey, parse_vkey
from schemas.statements import Registry as RegistryStatement
from schemas.statements import RegistryAction

UNKNOWN = "the registry has no key {} of {} that is valid at entry {}"


@dataclass(slots=True)
class _Key:
    name: str
    vkey: VerifierKey
    since: int
    until: int | None = None


class Registry:
    """The authors' keys as of the entries taken in, which come in log order."""

    def __init__(self) -> None:
        self._keys: dict[str, list[_Key]] = {}

    def take(self, leaf: Leaf) -> None:
        """Take in an entry; those that register no key change nothing."""
        if leaf.entry.genesis is not None:
            for author in leaf.entry.genesis.authors:
                self._add(author.name, author.vkey, leaf.index)
        signed = leaf.entry.signed
        if signed is None or not isinstance(signed.public, RegistryStatement):
            return
        self.check(leaf)
        public = signed.public
        if public.action is RegistryAction.ADD:
            self._add(public.name, public.vkey, leaf.index)
            return
        key_id = parse_vkey(public.vkey).key_id
        for key in self._keys.get(f"{key_id:08x}", ()):
            if key.name == public.name and key.until is None:
                key.until = leaf.index

    def check(self, leaf: Leaf) -> None:
        """Check the author's signature of a statement entry.

        Raises AuthorUnknown for a key that is not valid there, SignatureError for a wrong one.
        """
        signed = leaf.entry.signed
        assert signed is not None
        author, key_id = signed.statement.author, f"{signed.key_id:08x}"
        for key in self._keys.get(key_id, ()):
            valid = key.since < leaf.index and (key.until is None or leaf.index < key.until)
            if key.name == author and valid:
                verify_statement(
                    signed.body, public_key=key.vkey.public_key, signature=signed.signature
                )
                return
        raise AuthorUnknown(UNKNOWN.format(key_id, author, leaf.index))

    def holds(self, name: str, vkey: str) -> bool:
        """Whether an entry that was taken in registered this key for this author."""
        key = parse_vkey(vkey)
        return any(
            known.name == name and known.vkey == key
            for known in self._keys.get(f"{key.key_id:08x}", ())
        )

    def _add(self, name: str, vkey: str, index: int) -> None:
        key = parse_vkey(vkey)
        self._keys.setdefault(f"{key.key_id:08x}", []).append(_Key(name, key, index))
