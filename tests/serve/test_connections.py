"""Connections that one address may have open."""

from __future__ import annotations

import pytest

from postlens.serve.connections import Connections


def test_an_address_has_so_many_connections_and_others_have_theirs():
    connections = Connections(2)
    assert [connections.take("1.2.3.4") for _ in range(3)] == [True, True, False]
    assert connections.take("1.2.3.5")
    connections.give_back("1.2.3.4")
    assert [connections.take("1.2.3.4") for _ in range(2)] == [True, False]


def test_a_network_of_ipv6_counts_as_one_address():
    connections = Connections(1)
    assert connections.take("2001:db8::1")
    assert not connections.take("2001:db8::2")
    assert connections.take("2001:db8:0:1::2")


@pytest.mark.parametrize("proxy", ["10.0.0.1", "10.0.0.0/8", "*"])
def test_a_trusted_proxy_has_as_many_as_it_wants(proxy):
    connections = Connections(1, proxies=[proxy])
    assert all(connections.take("10.0.0.1") for _ in range(5))


def test_a_proxy_that_is_a_name_trusts_nobody_else():
    connections = Connections(1, proxies=["unix", "proxy.example"])
    assert [connections.take("1.2.3.4") for _ in range(2)] == [True, False]
    assert all(connections.take("unix") for _ in range(5))
