"""Whose key may speak: the registry as of a tree size, looked up by author and key ID."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ledger.errors import AuthorUnknown
from ledger.storage.shapes import StoredKey
from ledger.storage.tables import FOREVER
from ledger.tlog.note import parse_vkey
from schemas.statements import Role


@dataclass(frozen=True, slots=True)
class AuthorKey:
    """A registered key and what its author is. ``valid`` until the registry retires it."""

    name: str
    role: Role
    key_id: int
    public_key: bytes
    valid: bool = True


class KeyRing:
    """Every key that was ever registered; small, so it is copied rather than shared."""

    def __init__(self, keys: Iterable[AuthorKey]) -> None:
        self._keys = {key.key_id: key for key in keys}

    @classmethod
    def of_stored(cls, keys: Iterable[StoredKey]) -> "KeyRing":
        """The ring of the stored registry."""
        return cls(
            AuthorKey(
                name=key.name,
                role=Role(key.role),
                key_id=int(key.key_id, 16),
                public_key=parse_vkey(key.vkey).public_key,
                valid=key.until == FOREVER,
            )
            for key in keys
        )

    def copy(self) -> "KeyRing":
        """A ring that can change without this one."""
        return KeyRing(self._keys.values())

    def add(self, key: AuthorKey) -> None:
        """Register a key."""
        self._keys[key.key_id] = key

    def retire(self, key_id: int) -> None:
        """Make a key invalid from now on."""
        self._keys[key_id] = replace(self._keys[key_id], valid=False)

    def has_ever_held(self, key_id: int) -> bool:
        """Whether this key ID was ever registered, retired or not."""
        return key_id in self._keys

    def count_valid(self, role: Role) -> int:
        """How many keys with this role are valid."""
        return sum(key.valid and key.role is role for key in self._keys.values())

    def authors(self, role: Role, *, without: int | None = None) -> frozenset[str]:
        """Who has a valid key with this role, not counting the key ``without``."""
        return frozenset(
            key.name
            for key in self._keys.values()
            if key.valid and key.role is role and key.key_id != without
        )

    def find(self, author: str, key_id: int) -> AuthorKey:
        """The key of ``author`` with this ID, retired or not. Raises AuthorUnknown."""
        key = self._keys.get(key_id)
        if key is None or key.name != author:
            raise AuthorUnknown(
                f"no key {key_id:08x} of {author} is in the registry; "
                f"the registered ones stand in /api/v1/members"
            )
        return key

    def require(self, author: str, key_id: int, roles: Iterable[Role]) -> AuthorKey:
        """``find``, and check that the key is valid and its author has one of ``roles``."""
        key = self.find(author, key_id)
        if not key.valid:
            raise AuthorUnknown(f"the key {key_id:08x} of {author} is retired")
        if key.role not in roles:
            raise AuthorUnknown(
                f"{author} is registered as {key.role}; this statement is for "
                f"{', '.join(roles)} to make"
            )
        return key
