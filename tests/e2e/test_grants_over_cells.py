"""A key that is granted to namespaces, asked through each of three cells: the cell that has one decides by the same
grants.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import httpx
import pytest

from memsvc.sdk import Forbidden, Invalid, NotFound
from tests.cells import KEY, Installation, installed
from tests.waiting import LIMIT_S, until

TEAM = [f"team-{number}" for number in range(6)]
OTHERS = [f"other-{number}" for number in range(6)]
USERS = [f"farmer{number}" for number in range(8)]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("cells"), "north", "south", "west") as made:
        yield made


def holder(installation: Installation, name: str) -> str:
    (found,) = [cell.name for cell in installation.cells.values() if cell.has(name)]
    return found


def opens(url: str, key: str) -> bool:
    return httpx.get(f"{url}/v1/jobs", headers=_bearer(key), timeout=LIMIT_S).is_success


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_granted_key_is_kept_to_its_namespaces_through_every_cell(installation: Installation) -> None:
    with contextlib.ExitStack() as stack:
        admin = stack.enter_context(installation.cells["west"].client())
        jobs = {}
        for name in TEAM + OTHERS:
            admin.namespace(name).add("I row.", session_id="s")
            jobs[name] = admin.namespace(name).maintain("distill").id
        assert len({holder(installation, name) for name in OTHERS}) > 1
        for user in USERS:
            body = {"user_id": user, "messages": [{"role": "user", "content": f"I am {user} and I keep goats."}]}
            as_admin = httpx.post(f"{installation.cells['north'].url}/v1/memories/", json=body, headers=_bearer(KEY))
            assert as_admin.is_success
        some = USERS[:5]
        assert len({holder(installation, f"user:{user}") for user in some}) > 1
        grants = {"team-*": ["read", "write"]} | {f"user:{user}": ["read", "erase"] for user in some}
        made = admin.create_key(grants=grants)  # type: ignore[arg-type]
        assert made.key is not None
        for cell in installation.cells.values():
            until(lambda cell=cell: opens(cell.url, made.key or ""))  # type: ignore[misc]
            client = stack.enter_context(cell.client(made.key))
            for name in TEAM:
                client.namespace(name).add("I sail.", session_id="s")
                assert client.namespace(name).recall("sail").results
            for name in OTHERS:
                with pytest.raises(Forbidden, match=name):
                    client.namespace(name).recall("row")
                with pytest.raises(Forbidden, match=name):
                    client.namespace(name).export()
                with pytest.raises(NotFound):
                    client.job(jobs[name])
            listed = {job.id for job in client.jobs(limit=1000)}
            assert {jobs[name] for name in TEAM} <= listed
            assert not listed & {jobs[name] for name in OTHERS}
            with httpx.Client(base_url=cell.url, headers=_bearer(made.key), timeout=LIMIT_S) as http:
                found = http.post("/v2/memories/?page_size=100", json={"filters": {"user_id": "*"}}).json()["results"]
                assert {item["user_id"] for item in found} - {None} == set(some)
                users = http.get("/v1/entities/").json()["results"]
                assert {item["id"] for item in users} == set(some)
                named = {"filters": {"OR": [{"user_id": user} for user in USERS]}}
                assert http.post("/v2/memories/", json=named).status_code == 403
    with httpx.Client(base_url=installation.cells["south"].url, headers=_bearer(made.key), timeout=LIMIT_S) as http:
        assert http.delete("/v1/memories/?user_id=*").is_success
    with httpx.Client(base_url=installation.cells["west"].url, headers=_bearer(KEY), timeout=LIMIT_S) as http:
        left = http.get("/v1/entities/").json()["results"]
    assert {item["id"] for item in left} == set(USERS) - set(some)


# A cell that is asked by another one on a busy machine may say "send it again".
_PATIENCE = 5


def test_a_question_to_several_namespaces_is_answered_where_all_are_in_one_cell_and_else_refused(
    installation: Installation,
) -> None:
    names = [f"asked-{number}" for number in range(8)]
    by_cell: dict[str, list[str]] = {}
    with installation.cells["west"].client(max_retries=_PATIENCE) as admin:
        for name in names:
            admin.namespace(name).add(f"I keep the bees of {name}.", session_id="s")
            by_cell.setdefault(holder(installation, name), []).append(name)
    one, two = next(held for held in by_cell.values() if len(held) > 1)[:2]
    apart = next(held[0] for held in by_cell.values() if one not in held)
    for cell in installation.cells.values():
        with cell.client(max_retries=_PATIENCE) as client:
            for given in ([one, two], [one, f"*{two[1:]}"], [f"*{one[1:]}", f"*{two[1:]}"]):
                found = client.recall("Who keeps bees?", namespaces=given)
                assert {result.namespace for result in found.results} == {one, two} == set(found.seq)
                assert {passage.namespace for passage in client.context("bees", namespaces=given).passages} == {
                    one,
                    two,
                }
            for given in ([one, apart], [apart, two], ["asked-*"]):
                with pytest.raises(Invalid, match="which is in the cell"):
                    client.recall("Who keeps bees?", namespaces=given)
            with pytest.raises(NotFound, match="nowhere"):
                client.recall("Who keeps bees?", namespaces=["nowhere"])
            assert client.recall("Who keeps bees?", namespaces=["nowhere*"]).seq == {}


def test_an_import_that_is_refused_gives_its_name_no_place(installation: Installation) -> None:
    """The name of a body that is not read here is looked up before any route has seen it."""
    with installation.cells["north"].client() as admin:
        made = admin.create_key(grants={"mine": ["read", "write"]})
    assert made.key is not None
    home = installation.cells["north"]
    for cell in installation.cells.values():
        until(lambda cell=cell: opens(cell.url, made.key or ""))  # type: ignore[misc]
        with cell.client(made.key) as client, pytest.raises(Forbidden, match="elsewhere"):
            client.namespace("elsewhere").load(b"{}\n")
    assert home.service is not None and home.service.cells is not None
    assert home.service.cells.placed(home.service.tenant_id, "elsewhere") is None
