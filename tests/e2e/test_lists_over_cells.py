"""What is asked of all cells at once: the admin's list of namespaces, and mem0's questions about several users."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import httpx
import pytest

from memsvc.store import directory
from tests.cells import KEY, Cell, Installation, installed
from tests.waiting import LIMIT_S, until

USERS = [f"farmer{number}" for number in range(9)]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("cells"), "north", "south", "west") as made:
        with _talking(made.cells["north"]) as http:
            for number, user in enumerate(USERS):
                said = {"role": "user", "content": f"I keep {number + 10} goats in the barn."}
                body = {"user_id": user, "agent_id": "vet", "messages": [said], "timestamp": 1_700_000_000 + number}
                assert http.post("/v1/memories/", json=body).is_success
        assert len({_holder(made, user) for user in USERS}) == 3
        yield made


@contextlib.contextmanager
def _talking(cell: Cell) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=cell.url, headers=headers, timeout=LIMIT_S, follow_redirects=True) as http:
        assert http.post("/admin/sign-in", data={"key": KEY}).is_success
        yield http


def _holder(installation: Installation, user: str) -> str:
    (found,) = [cell.name for cell in installation.cells.values() if cell.has(f"user:{user}")]
    return found


def test_mem0_searches_lists_and_pages_over_users_of_all_cells(installation: Installation) -> None:
    some = {"OR": [{"user_id": user} for user in USERS[:6]]}
    for cell in installation.cells.values():
        with _talking(cell) as http:
            asked = {"query": "How many goats are in the barn?", "filters": some, "top_k": 4}
            found = http.post("/v2/memories/search/", json=asked).json()["results"]
            scores = [item["score"] for item in found]
            assert len(found) == 4 and scores == sorted(scores, reverse=True)
            every = http.post("/v2/memories/search/", json=asked | {"filters": {"user_id": "*"}, "top_k": 50}).json()
            assert {item["user_id"] for item in every["results"]} == set(USERS)
            paged: list[str] = []
            path: str | None = "/v2/memories/?page=1&page_size=4"
            while path is not None:
                page = http.post(path, json={"filters": {"user_id": "*"}, "fields": ["user_id"]}).json()
                assert page["count"] == 9 and len(page["results"]) <= 4
                paged += [item["user_id"] for item in page["results"]]
                path = page["next"]
            assert paged == USERS[::-1]  # the newest first
            (one,) = http.get("/v1/memories/", params={"user_id": "farmer3", "agent_id": "vet"}).json()
            assert one["user_id"] == "farmer3"


def test_mem0_lists_each_user_and_agent_once(installation: Installation) -> None:
    for cell in installation.cells.values():
        with _talking(cell) as http:
            told = http.get("/v1/entities/").json()
            held = {(item["type"], item["id"]): item["total_memories"] for item in told["results"]}
            assert held == {("user", user): 1 for user in USERS} | {("agent", "vet"): 9}
            assert told["count"] == 10


def test_the_pages_list_the_namespaces_of_all_cells_in_order(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.admin.memory._SPACES", 4)
    names = [f"user:{user}" for user in USERS]
    for cell in installation.cells.values():
        with _talking(cell) as http:
            seen: list[tuple[str, str]] = []
            path: str | None = "/admin/namespaces"
            while path is not None:
                page = http.get(path).text
                shown = re.findall(r"<strong>([^<]+)</strong></a></td>\s*<td data-name=\"Cell\">(\w+)</td>", page)
                assert len(shown) <= 4
                seen += shown
                following = re.search(r'href="(\?after=[^"]+)" rel="next"', page)
                path = f"/admin/namespaces{following.group(1)}" if following else None
            assert [name for name, _ in seen] == names
            assert all(where == _holder(installation, name.removeprefix("user:")) for name, where in seen)


def test_of_a_cell_that_is_away_it_is_said_and_the_rest_is_done(installation: Installation) -> None:
    where = {user: _holder(installation, user) for user in USERS}
    lost = installation.cells["west"]
    lost.postgres.stop()
    try:
        with _talking(installation.cells["south"]) as http:
            page = http.get("/admin/namespaces").text
            assert "&#39;west&#39; does not answer" in page
            for user, cell in where.items():
                assert (f"<strong>user:{user}</strong>" in page) == (cell != "west")
            for told in (http.get("/v1/entities/"), http.delete("/v1/memories/", params={"agent_id": "vet"})):
                assert told.status_code == 503 and "west" in told.text
            assert "Of what was to be deleted" in told.text
    finally:
        lost.postgres.start()
    left = [f"user:{user}" for user in USERS if where[user] == "west"]
    with _talking(installation.cells["south"]) as http:
        until(lambda: http.get("/v1/entities/").status_code == 200)
        held = {(item["type"], item["id"]) for item in http.get("/v1/entities/").json()["results"]}
        assert {f"user:{name}" for kind, name in held if kind == "user"} >= set(left)
        assert not any(name == user for _, name in held for user in USERS if where[user] != "west")
        until(lambda: http.delete("/v1/memories/", params={"user_id": "*"}).status_code == 200)
        assert http.get("/v1/entities/").json()["count"] == 0


def test_the_order_of_names_is_the_same_in_every_database(installation: Installation) -> None:
    service = installation.cells["north"].service
    assert service is not None
    with service.database.tenant(service.tenant_id) as connection:
        listed = [space.name for space in directory.spaces(connection, service.tenant_id, "", 100, by_bytes=True)]
    assert listed == sorted(listed)
