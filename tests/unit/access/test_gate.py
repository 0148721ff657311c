"""Who an identity is, and who pays for it."""

from __future__ import annotations

import pytest

from tests.unit.access.records import NOW_S, a_key
from tierwise_server.access.entries import Allowance
from tierwise_server.access.gate import ANYBODY, Certified, Credentials, Gate, Identity
from tierwise_server.access.memory import MemoryKeyStore
from tierwise_server.access.ring import KeyRing
from tierwise_server.errors import Reason, RequestError
from tierwise_server.ledger.books import NOBODY
from tierwise_server.ledger.entries import Budget, BudgetScope, Period

KEY, TENANT, DAY, MONTH = BudgetScope.KEY, BudgetScope.TENANT, Period.DAY, Period.MONTH


async def a_gate(store: MemoryKeyStore, **options: object) -> Gate:
    ring = KeyRing(store)
    await ring.refresh()
    return Gate(ring, wall_clock=lambda: NOW_S, **options)  # type: ignore[arg-type]  # each test its own


@pytest.mark.parametrize(
    ("key_allowance", "tenant_allowance", "budgets"),
    [
        (Allowance(), Allowance(), ()),
        (Allowance(1, None), Allowance(None, 4), (Budget(KEY, DAY, 1), Budget(TENANT, MONTH, 4))),
        (
            Allowance(0, 2),
            Allowance(3, 4),
            (
                Budget(KEY, DAY, 0),
                Budget(KEY, MONTH, 2),
                Budget(TENANT, DAY, 3),
                Budget(TENANT, MONTH, 4),
            ),
        ),
    ],
)
def test_key_and_tenant_pay_within_all_their_budgets(
    key_allowance: Allowance, tenant_allowance: Allowance, budgets: tuple[Budget, ...]
) -> None:
    _, key = a_key(allowance=key_allowance)
    payer = Identity("acme", key, tenant_allowance).payer
    assert (payer.tenant, payer.key_id, payer.budgets) == ("acme", key.key_id, budgets)


def test_on_an_open_server_nobody_pays() -> None:
    assert ANYBODY.payer == NOBODY


async def test_the_allowance_of_a_tenant_is_that_of_its_keys_and_certificates() -> None:
    store = MemoryKeyStore()
    secret, key = a_key()
    await store.add(key)
    await store.allow("acme", Allowance(7, None))
    gate = await a_gate(store, certified=Certified({"spiffe://a/b": "acme"}))
    for credentials in (
        Credentials((f"Bearer {secret}",)),
        Credentials((), ("dns.example", "spiffe://a/b")),
    ):
        identity = await gate.identify(credentials)
        assert (identity.tenant, identity.allowance) == ("acme", Allowance(7, None))


async def test_a_wrong_key_is_refused_even_beside_a_known_certificate() -> None:
    gate = await a_gate(MemoryKeyStore(), certified=Certified({"spiffe://a/b": "acme"}))
    for name in ("spiffe://a", "spiffe://a/b/c", "SPIFFE://a/b", ""):
        with pytest.raises(RequestError) as refused:
            await gate.identify(Credentials((), (name,)))
        assert refused.value.reason is Reason.MISSING_CREDENTIALS
    with pytest.raises(RequestError) as refused:
        await gate.identify(Credentials(("Bearer x",), ("spiffe://a/b",)))
    assert refused.value.reason is Reason.INVALID_CREDENTIALS


async def test_a_certificate_that_stands_for_a_key_may_what_the_key_may_as_long_as_it_holds() -> (
    None
):
    store = MemoryKeyStore()
    _, key = a_key(tiers=frozenset({"efficient"}), streams=2, allowance=Allowance(9, None))
    await store.add(key)
    certified = Certified({"dns.example": "other"}, {"spiffe://a/b": key.key_id, "gone": "0" * 12})
    gate = await a_gate(store, certified=certified)
    # Whatever other name the certificate holds, and in whatever order.
    for names in (("spiffe://a/b",), ("dns.example", "spiffe://a/b")):
        identity = await gate.identify(Credentials((), names))
        assert identity == Identity("acme", key, Allowance())
    with pytest.raises(RequestError) as refused:
        await gate.identify(Credentials((), ("dns.example", "gone")))
    assert refused.value.reason is Reason.INVALID_CREDENTIALS
    await store.revoke(key.key_id, NOW_S)
    gate = await a_gate(store, certified=certified)
    with pytest.raises(RequestError) as refused:
        await gate.identify(Credentials((), ("spiffe://a/b",)))
    assert refused.value.reason is Reason.INVALID_CREDENTIALS


async def test_a_name_that_is_withdrawn_counts_no_more() -> None:
    gate = await a_gate(MemoryKeyStore(), certified=Certified({"a": "acme", "b": "acme"}))
    assert (await gate.identify(Credentials((), ("a",)))).tenant == "acme"
    gate.certified = Certified({"b": "acme"})
    with pytest.raises(RequestError) as refused:
        await gate.identify(Credentials((), ("a",)))
    assert refused.value.reason is Reason.MISSING_CREDENTIALS
    assert (await gate.identify(Credentials((), ("b",)))).tenant == "acme"


async def test_a_server_that_knows_a_certificate_is_not_open() -> None:
    gate = await a_gate(MemoryKeyStore(), open_without_keys=True)
    assert gate.is_open
    gate.certified = Certified({}, {"a": "0" * 12})
    assert not gate.is_open


@pytest.mark.parametrize("ends", [NOW_S, NOW_S - 1])
async def test_a_key_ends_with_its_last_second(ends: float) -> None:
    store = MemoryKeyStore()
    secret, key = a_key(expires_at_s=ends)
    await store.add(key)
    gate = await a_gate(store)
    with pytest.raises(RequestError):
        await gate.identify(Credentials((f"Bearer {secret}",)))
