from __future__ import annotations

import pytest

from postlens.errors import AddressRefusedError, FetchError
from postlens.media.address import check_url

PUBLIC = "93.184.215.14"


def resolving_to(*addresses: str):
    return lambda host, port: list(addresses)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fec0::1",
        "feff::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2001:db8::1",
        "not an address",
    ],
)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    with pytest.raises(AddressRefusedError, match="no public address"):
        check_url("https://media.example/a.jpg", resolve=resolving_to(address))


@pytest.mark.parametrize("address", [PUBLIC, "2606:4700::6810:84e5", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"])
def test_public_addresses_are_connected_to(address: str) -> None:
    target = check_url("https://media.example/a.jpg?x=1", resolve=resolving_to(address))
    assert target == ("https", "media.example", 443, "/a.jpg?x=1", (address,))


def test_one_private_address_among_public_ones_refuses_all() -> None:
    with pytest.raises(AddressRefusedError, match=r"10\.0\.0\.1"):
        check_url("https://media.example/", resolve=resolving_to(PUBLIC, "10.0.0.1"))


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://a/b", "gopher://a", "data:,x", "/etc/passwd", "http://u:p@h/a"]
)
def test_only_plain_http_addresses_are_allowed(url: str) -> None:
    with pytest.raises(AddressRefusedError, match="expected an http or https address"):
        check_url(url, resolve=resolving_to(PUBLIC))


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http://h:99999/",
        "http://[::1/",
        "http://" + "a" * 70 + ".example/",
        "http://media.example/caf\ud83d.jpg",
        "http://media.example/?q=\udcff",
        "http://caf\ud83d.example/",
    ],
)
def test_addresses_that_make_no_sense_are_errors_that_can_be_written(url: str) -> None:
    with pytest.raises(FetchError) as caught:
        check_url(url, resolve=resolving_to(PUBLIC))
    assert str(caught.value).encode("utf-8")


@pytest.mark.parametrize(
    ("url", "host_header", "path"),
    [
        ("http://media.example", "media.example", "/"),
        ("http://media.example:8080/a", "media.example:8080", "/a"),
        ("https://münchen.example/straße ä.jpg", "xn--mnchen-3ya.example", "/stra%C3%9Fe%20%C3%A4.jpg"),
        ("https://media.example/a%20b.jpg?x=ü#part", "media.example", "/a%20b.jpg?x=%C3%BC"),
        ("http://[2606:4700::1]/a", "[2606:4700::1]", "/a"),
    ],
)
def test_requests_are_written_in_ascii(url: str, host_header: str, path: str) -> None:
    target = check_url(url, resolve=resolving_to(PUBLIC))
    assert (target.host_header, target.path) == (host_header, path)


@pytest.mark.parametrize("url", ["http://2130706433/", "http://0x7f.1/", "http://127.1/", "http://localhost/"])
def test_spellings_of_the_own_machine_are_refused_by_what_they_resolve_to(url: str) -> None:
    with pytest.raises(FetchError):
        check_url(url)


def test_an_unknown_host_is_an_error() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError("name not known")

    with pytest.raises(FetchError, match=r"media\.example was not found"):
        check_url("https://media.example/a.jpg", resolve=unknown)
