"""One quota over three cells: never passed, used up to its last message from whichever cell."""

from __future__ import annotations

import concurrent.futures
import uuid
from collections.abc import Iterator

import pytest

from memsvc.domain.share import Amount, Share
from memsvc.sdk import MemoryClient
from memsvc.sdk.errors import ApiError
from memsvc.store import keys, shares, tenants
from memsvc.store.tenants import Quota
from tests.cells import Installation, installed
from tests.waiting import until

SPACES = [f"user-{number}" for number in range(9)]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("cells"), "north", "south", "west") as made:
        yield made


class Tenant:
    """A tenant with this quota, whom every cell knows."""

    def __init__(self, installation: Installation, quota: Quota) -> None:
        self.installation = installation
        self.name = f"small-{uuid.uuid4()}"
        self.set(quota)
        home = installation.cells["north"].service
        assert home is not None
        self.key, _ = keys.create(home.database, self.id, keys.SCOPES, "all", "operator")
        for cell in installation.cells.values():
            with cell.client(self.key) as client:
                until(lambda client=client: _opens(client))  # type: ignore[misc]

    @property
    def id(self) -> uuid.UUID:
        return tenants.id_of(self.name)

    def set(self, quota: Quota) -> None:
        """The quota, and every cell has heard of it."""
        home = self.installation.cells["north"].service
        assert home is not None
        tenants.ensure(home.database, self.name, quota)
        asked = "SELECT coalesce(max(quota_number), 0) FROM tenant WHERE id = %s"
        number = self.told("north", asked)
        for name in self.installation.cells:
            until(lambda name=name: self.told(name, asked) == number)  # type: ignore[misc]

    def told(self, cell: str, statement: str) -> int:
        with self.installation.cells[cell].postgres._superuser("memsvc") as connection:
            row = connection.execute(statement, [self.id]).fetchone()
        assert row is not None
        return int(row[0])

    def held(self, table: str = "message") -> dict[str, int]:
        asked = f"SELECT count(*) FROM {table} WHERE tenant_id = %s"
        return {name: self.told(name, asked) for name in self.installation.cells}

    def held_in(self, cell: str) -> int:
        return self.told(cell, "SELECT count(*) FROM message WHERE tenant_id = %s")

    def share(self, cell: str) -> int:
        """The messages that the cell may hold, as it knows."""
        return self.told(cell, f"SELECT messages FROM share WHERE tenant_id = %s AND cell = '{cell}'")

    def holder(self, space: str) -> str:
        asked = f"SELECT count(*) FROM namespace WHERE tenant_id = %s AND NOT is_moved AND name = '{space}'"
        (found,) = [name for name in self.installation.cells if self.told(name, asked)]
        return found

    def write(self, cell: str, space: str, count: int = 1) -> int:
        """Messages one by one through that cell: how many were acknowledged before the quota refused one."""
        with self.installation.cells[cell].client(self.key) as client:
            for number in range(count):
                if not self._told(client, space, uuid.uuid4().hex):
                    return number
        return count

    def _told(self, client: MemoryClient, space: str, id: str) -> bool:
        """Sent until it is acknowledged, or the quota refuses it: a busy cell may ask to send it again."""
        for _ in range(100):
            try:
                client.namespace(space).add("I row.", session_id="s", id=id)
                return True
            except ApiError as error:
                if error.status == 403 and "quota" in str(error):
                    return False
                assert error.status == 503, error
        raise AssertionError("The cells are away for good.")


def _opens(client: MemoryClient) -> bool:
    try:
        client.jobs(limit=1)
    except ApiError:
        return False
    return True


def _writes(client: MemoryClient, space: str) -> bool:
    try:
        client.namespace(space).add("I row.", session_id="s")
    except ApiError as error:
        assert error.status == 503, error
        return False
    return True


def test_a_quota_is_used_to_its_last_message_from_whichever_cell_and_not_passed(installation: Installation) -> None:
    tenant = Tenant(installation, Quota(max_messages=12))
    written = sum(tenant.write(cell, space) for cell in installation.cells for space in SPACES)
    held = tenant.held()
    assert written == 12 == sum(held.values())
    assert sum(count > 0 for count in held.values()) > 1
    with installation.cells["south"].client(tenant.key) as client:
        client.namespace("user-0").erase()
    freed = 12 - sum(tenant.held().values())
    assert freed > 0
    # What one cell has free again is another one's to use.
    for space in SPACES[1:]:
        tenant.write("west", space)
    assert sum(tenant.held().values()) == 12


def test_the_quota_of_namespaces_holds_over_all_cells(installation: Installation) -> None:
    tenant = Tenant(installation, Quota(max_namespaces=4))
    assert sum(tenant.write("west", space) for space in SPACES) == 4
    assert sum(tenant.held("namespace").values()) == 4


def test_a_lower_quota_takes_back_what_cells_had_of_the_higher_one(installation: Installation) -> None:
    tenant = Tenant(installation, Quota(max_messages=1_000))
    assert sum(tenant.write("south", space) for space in SPACES) == len(SPACES)
    tenant.set(Quota(max_messages=len(SPACES) + 2))
    assert sum(tenant.write("south", space) for space in SPACES) == 2
    tenant.set(Quota())
    assert sum(tenant.write("south", space) for space in SPACES) == len(SPACES)
    tenant.set(Quota(max_messages=3))
    assert sum(tenant.write("south", space) for space in SPACES) == 0


def test_words_on_a_share_that_arrive_late_change_nothing(installation: Installation) -> None:
    tenant = Tenant(installation, Quota(max_messages=100))
    north, south = (installation.cells[name].service for name in ("north", "south"))
    assert north is not None and north.shares is not None and south is not None and south.shares is not None
    assert south.shares.more(tenant.id, Amount(0, 10))

    def own() -> Share:
        with south.database.tenant(tenant.id) as connection:
            found = shares.own(connection, tenant.id, "south")
        assert found is not None
        return found

    def at_home() -> int:
        return tenant.told("north", "SELECT messages FROM share WHERE tenant_id = %s AND cell = 'south'")

    def note(told: Share) -> None:
        with north.database.tenant(tenant.id) as connection:
            shares.note(connection, tenant.id, "south", told)

    # A grant, before whose reply the cell gave back what it did not use.
    before = own()
    granted = north.shares.grant(tenant.id, "south", before.number, Amount(0, 90))
    note(south.shares.give(tenant.id, before.quota_number, Amount(0, 100)))
    with south.database.tenant(tenant.id) as connection:
        shares.take(connection, tenant.id, "south", before.number, granted)
    assert own().amount.messages == at_home() == 0
    # What the cell said of itself, behind which it was granted more.
    told = south.shares.give(tenant.id, before.quota_number, Amount(0, 100))
    assert south.shares.more(tenant.id, Amount(0, 40))
    note(told)
    assert own().amount.messages == at_home() >= 40


def test_a_namespace_that_moves_carries_its_count_with_it(installation: Installation) -> None:
    tenant = Tenant(installation, Quota(max_messages=40))
    assert tenant.write("north", "mover", 20) == 20
    source = tenant.holder("mover")
    target = next(name for name in installation.cells if name != source)
    before = tenant.share(source)
    installation.move("mover", source, target, tenant.id)
    assert tenant.held()[target] == 20 and tenant.held()[source] == 0
    assert tenant.share(source) == before - 20
    written = sum(tenant.write("west", space, 6) for space in SPACES)
    assert written == 20 and sum(tenant.held().values()) == 40
    assert tenant.write("north", "mover") == 0


def test_writers_beside_a_move_never_pass_the_quota(installation: Installation) -> None:
    tenant = Tenant(installation, Quota(max_messages=80))
    assert tenant.write("north", "mover", 30) == 30
    source = tenant.holder("mover")
    names = list(installation.cells)
    with concurrent.futures.ThreadPoolExecutor(7) as pool:
        begun = [pool.submit(tenant.write, names[n % 3], SPACES[n], 60) for n in range(6)]
        for step in (1, 2):
            target = names[(names.index(source) + step) % 3]
            installation.move("mover", tenant.holder("mover"), target, tenant.id)
        written = 30 + sum(one.result() for one in begun)
    assert written == sum(tenant.held().values()) <= 80
    written += sum(tenant.write("south", space, 60) for space in SPACES)
    assert written == 80 == sum(tenant.held().values())


def test_while_home_is_away_a_cell_goes_on_within_its_share_and_then_says_why_not(installation: Installation) -> None:
    tenant = Tenant(installation, Quota(max_messages=100))
    spaces = [f"lake-{number}" for number in range(12)]
    assert sum(tenant.write("south", space) for space in spaces) == len(spaces)
    mine = next(space for space in spaces if tenant.holder(space) == "south")
    assert tenant.share("south") > tenant.held()["south"]  # home gave more than it was asked for
    with installation.cells["south"].client(tenant.key) as client:
        home = installation.cells["north"].postgres
        home.stop()
        try:
            with pytest.raises(ApiError, match="quota") as refused:
                while True:
                    client.namespace(mine).add("I row.", session_id="s")
            assert refused.value.status == 503 and "north" in str(refused.value)
            assert tenant.held_in("south") == tenant.share("south")
        finally:
            installation.cells["north"].postgres.start()
        until(lambda: _writes(client, mine))
    assert sum(tenant.held().values()) <= 100


def test_a_cell_that_is_away_may_have_what_is_left_and_nobody_uses_it_meanwhile(installation: Installation) -> None:
    tenant = Tenant(installation, Quota(max_messages=40))
    spaces = [f"lake-{number}" for number in range(12)]
    assert sum(tenant.write("south", space) for space in spaces) == len(spaces)
    mine = next(space for space in spaces if tenant.holder(space) == "south")
    away = installation.cells["west"]
    share = tenant.share("west")
    assert share > tenant.held()["west"] > 0
    away.postgres.stop()
    try:
        with installation.cells["south"].client(tenant.key) as client:
            with pytest.raises(ApiError, match="quota") as refused:
                while True:
                    client.namespace(mine).add("I row.", session_id="s")
            assert refused.value.status == 503 and "west" in str(refused.value)
        held = tenant.held_in("north") + tenant.held_in("south")
        assert held == 40 - share
    finally:
        away.postgres.start()
    with installation.cells["south"].client(tenant.key) as client:
        until(lambda: _writes(client, mine))
    tenant.write("north", mine, 60)
    assert sum(tenant.held().values()) == 40


def test_writers_in_all_cells_at_once_never_pass_the_quota_and_use_all_of_it(installation: Installation) -> None:
    tenant = Tenant(installation, Quota(max_messages=60))
    with concurrent.futures.ThreadPoolExecutor(9) as pool:
        names = list(installation.cells)
        begun = [pool.submit(tenant.write, names[n % 3], SPACES[n], 60) for n in range(9)]
        written = sum(one.result() for one in begun)
    assert written == 60 == sum(tenant.held().values())
