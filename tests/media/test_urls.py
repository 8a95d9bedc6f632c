"""Addresses to their one spelling: what makes no difference goes, what may make one stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.errors import AddressRefusedError, FetchError, PostlensError
from postlens.media.platforms import is_post_page
from postlens.media.urls import SIGNATURES, TRACKING, TRACKING_BY_HOST, normalise_url


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("HTTP://Example.COM/A", "http://example.com/A"),
        ("https://example.com", "https://example.com/"),
        ("https://example.com/a", "https://example.com/a"),
        ("https://example.com/a/", "https://example.com/a/"),
        ("https://example.com:443/a", "https://example.com/a"),
        ("http://example.com:443/a", "http://example.com:443/a"),
        ("http://example.com:/a", "http://example.com/a"),
        ("https://example.com/a#part", "https://example.com/a"),
        ("https://example.com/a?", "https://example.com/a"),
        ("https://example.com/a/./b/../c", "https://example.com/a/c"),
        ("https://example.com/../../a", "https://example.com/a"),
        ("https://example.com/a/%2E%2e/b", "https://example.com/b"),
        ("https://example.com/a//b", "https://example.com/a//b"),
        ("https://example.com/%7euser/%e4%2f", "https://example.com/~user/%E4%2F"),
        ("https://example.com/a b/ä", "https://example.com/a%20b/%C3%A4"),
        ("https://example.com/100%", "https://example.com/100%25"),
        ("https://Bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
        ("https://ex%61mple.com/", "https://example.com/"),
        ("http://[2001:DB8:0::1]:80/", "http://[2001:db8::1]/"),
        ("https:\\\\example.com\\a\\b", "https://example.com/a/b"),
        (" https://example.com/a\n", "https://example.com/a"),
        ("www.example.com/a", "https://www.example.com/a"),
        ("https://example.com/a?b=2&a=1", "https://example.com/a?b=2&a=1"),
    ],
)
def test_what_makes_no_difference_goes_and_the_rest_stays(written, normal):
    assert normalise_url(written) == normal


@pytest.mark.parametrize("name", [*TRACKING, "utm_source", "UTM_Campaign", "utm%5Fmedium"])
def test_parameters_that_track_are_dropped_wherever_they_stand(name):
    assert normalise_url(f"https://e.com/v.mp4?a=1&{name}=x&b=2") == "https://e.com/v.mp4?a=1&b=2"


@pytest.mark.parametrize("name", ["v", "id", "t", "page", "w", "format", "si", "ref", "source", "feature"])
def test_parameters_that_may_choose_what_is_shown_stay(name):
    assert normalise_url(f"https://e.com/v.mp4?{name}=x") == f"https://e.com/v.mp4?{name}=x"


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_a_signed_address_keeps_every_parameter(name):
    written = f"https://e.com/v.mp4?{name}=x&utm_source=y"
    assert normalise_url(written) == written


@pytest.mark.parametrize(("host", "names"), TRACKING_BY_HOST.items())
def test_some_names_are_dropped_on_their_own_site_only(host, names):
    for name in names:
        assert normalise_url(f"https://www.{host}/x?{name}=1") == f"https://www.{host}/x"
        assert "?" in normalise_url(f"https://www.not{host}/x?{name}=1")


YOUTUBE = "https://www.youtube.com/watch?v=aB-_5678901"
INSTAGRAM = "https://www.instagram.com/p/Cab_-12/"
X = "https://x.com/i/status/1234567890"
FACEBOOK = "https://www.facebook.com/watch/?v=1234567890"


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("https://youtu.be/aB-_5678901", YOUTUBE),
        ("youtu.be/aB-_5678901?si=xyz&t=3", YOUTUBE),
        ("http://youtube.com/watch?v=aB-_5678901", YOUTUBE),
        ("https://m.youtube.com/watch?list=L&v=aB-_5678901&feature=share", YOUTUBE),
        ("https://www.youtube.com/shorts/aB-_5678901/", YOUTUBE),
        ("https://www.youtube-nocookie.com/embed/aB-_5678901", YOUTUBE),
        ("https://www.instagram.com/reel/Cab_-12/?igsh=x", INSTAGRAM),
        ("instagram.com/p/Cab_-12", INSTAGRAM),
        ("https://instagram.com/some.one/tv/Cab_-12/", INSTAGRAM),
        ("https://www.instagram.com/p/Cab_-12/?img_index=1", INSTAGRAM),
        ("https://m.tiktok.com/@Some.One/video/7123456789?_t=8", "https://www.tiktok.com/@some.one/video/7123456789"),
        ("https://twitter.com/NASA/status/1234567890?s=20", X),
        ("https://x.com/i/web/status/1234567890", X),
        ("https://mobile.twitter.com/nasa/status/1234567890/photo/1", X),
        ("https://x.com/nasa/status/1234567890/video/1", X),
        ("https://www.facebook.com/watch/?v=1234567890&ref=sharing", FACEBOOK),
        ("https://m.facebook.com/nasa/videos/a-title/1234567890/", FACEBOOK),
        ("https://facebook.com/video.php?v=1234567890", FACEBOOK),
    ],
)
def test_the_addresses_of_one_post_become_one(written, normal):
    assert normalise_url(written) == normal
    assert is_post_page(normal)


@pytest.mark.parametrize(
    "url",
    [
        "https://www.youtube.com/playlist?list=PL1",
        "https://www.youtube.com/watch?v=short",
        "https://www.instagram.com/nasa/",
        "https://www.instagram.com/share/reel/BAAbc",
        "https://vm.tiktok.com/ZMabc/",
        "https://www.youtube.com/embed/videoseries?list=PL1",
        "https://www.youtube.com/embed/live_stream?channel=UC1",
        "https://x.com/nasa",
        "https://fb.watch/abc/",
        "https://e.com/watch?v=aB-_5678901",
        "https://www.instagram.com:8443/p/Cab_-12/",
    ],
)
def test_an_address_without_the_id_of_a_post_stays_itself(url):
    assert normalise_url(url) == url
    assert not is_post_page(url)


@pytest.mark.parametrize("url", [f"{INSTAGRAM}?img_index=2", f"{X}/photo/2", f"{X}/video/2"])
def test_media_of_one_post_are_told_apart(url):
    assert normalise_url(url) == url


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("", FetchError, "no http:// or https://"),
        ("clip.mp4", FetchError, "column path"),
        ("C:\\clips\\a.mp4", FetchError, "column path"),
        ("ftp://e.com/a", AddressRefusedError, "scheme 'ftp'"),
        ("https://", FetchError, "no host name"),
        ("https://:443/a", FetchError, "no host name"),
        ("https://a b/", FetchError, "'a b' as host"),
        ("https://e.com:99999/", FetchError, "e.com:99999"),
        ("https://[::1/", FetchError, "host"),
        ("https://%00/", FetchError, "host"),
        ("https://" + "a" * 70 + ".com", FetchError, "cannot be encoded"),
        ("https://e.com/\ud83d", FetchError, "half a character"),
        ("https://me:secret@e.com/a", AddressRefusedError, "without a login"),
    ],
)
def test_what_is_no_address_says_what_was_expected(text, error, said):
    with pytest.raises(error) as caught:
        normalise_url(text)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


WORDS = "..|%2e|%2F|%41|%zz|ä|\ud83d|a|B|utm_x=1|si=2|v=aB-_5678901|www.|youtu.be/|youtube.com/watch|e.com|//|sig=1"
PARTS = st.sampled_from([*"/?&=#%.;:@[]\\|~ ", *WORDS.split("|"), "x.com/a/status/12345", "http://", "https://"])
ANYTHING = st.one_of(st.text(), st.lists(PARTS, max_size=12).map("".join))


@given(ANYTHING, st.sampled_from(["", "http://", "https://", "https://www.youtube.com/"]))
def test_a_normal_address_is_its_own_normal_form_and_all_else_is_our_error(text, start):
    try:
        normal = normalise_url(start + text)
    except PostlensError:
        return
    assert normalise_url(normal) == normal
    assert normal.isascii()


@given(
    st.text("abcXYZ012.-_~%/ä", max_size=12),
    st.sampled_from(["", "?a=1", "?a=%e4&b=x"]),
    st.sampled_from(["HTTPS", "https"]),
    st.sampled_from(["E.com", "e.com:443", "e.COM:"]),
    st.sampled_from(["", "#top"]),
)
def test_addresses_that_differ_in_listed_ways_only_are_equal(path, query, scheme, host, fragment):
    first = normalise_url(f"https://e.com/{path}{query}")
    sign = "&" if query else "?"
    for extra in ("", f"{sign}utm_source=x", f"{sign}fbclid=1&igsh=2"):
        assert normalise_url(f"{scheme}://{host}/./{path}{query}{extra}{fragment}") == first
