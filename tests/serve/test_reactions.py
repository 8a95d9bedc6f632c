"""Emotions of an image over HTTP."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest
from PIL import Image

from postlens.config import Settings
from postlens.pipelines.react import react_media
from postlens.types import EMOTIONS

from .conftest import code_of, served


def picture(size: tuple[int, int] = (40, 30), form: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((*size[::-1], 3), 200, np.uint8)).save(out, form)
    return out.getvalue()


def send(client, data: bytes, path: str = "/predict", name: str = "a.jpg"):
    return client.post(path, files={"file": (name, data)})


def test_an_image_gets_what_the_command_line_says(client, photo, tmp_path):
    path = tmp_path / "smile.jpg"
    path.write_bytes(photo)
    (expected,) = react_media([str(path)], settings=Settings(workers=1)).posts
    found = send(client, photo, "/predict?include_scores=true").json()
    assert found["emotions"] == list(expected.forecast.emotions)
    assert found["allowed"] == list(expected.forecast.allowed)
    assert found["blocked"] == list(expected.forecast.blocked)
    assert found["n_faces"] == 1
    assert found["scores"] == pytest.approx(expected.forecast.probs, abs=0.01)


def test_scores_are_told_only_when_asked_for(client, photo):
    assert send(client, photo).json()["scores"] is None


def test_one_threshold_counts_for_all_emotions(client, photo):
    found = send(client, photo, "/predict?threshold=0&include_scores=true").json()
    assert set(found["emotions"]) == set(EMOTIONS)
    assert set(found["thresholds"].values()) == {0}


def test_the_policy_of_a_request_is_its_own(client, photo):
    strict, union = (
        send(client, photo, f"/predict_emojis?threshold=0&policy={one}").json() for one in ("strict", "union")
    )
    assert not set(strict["allowed"]) & set(strict["blocked"])
    assert set(union["allowed"]) & set(union["blocked"])


def test_the_table_of_emoji_is_told(client):
    assert [one["name"] for one in client.get("/emotions").json()] == list(EMOTIONS)
    assert [one["emotion"] for one in client.get("/emotion_mappings").json()["mappings"]] == list(EMOTIONS)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "media-damaged"),
        (b"hello, I am a text", "unsupported-media"),
        (b"%PDF-1.7 something", "unsupported-media"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported-media"),
        (b"\xff\xd8\xff\xe0 and then nothing of a JPEG", "media-damaged"),
        (picture()[:60], "media-damaged"),
    ],
)
def test_what_is_no_image_is_refused_by_its_content(client, data, code):
    answer = send(client, data)
    assert code_of(answer) == code
    assert "a.jpg" in answer.json()["detail"]
    assert "request-" not in answer.text  # no place on the server


def test_an_image_is_read_whatever_its_name(client):
    assert send(client, picture(), name="video.mp4").status_code == 200


def test_a_video_is_no_image(client, clip):
    answer = send(client, clip)
    assert code_of(answer) == "unsupported-media"
    assert "/analyze" in answer.json()["detail"]


def test_several_images_are_not_one(client):
    answer = client.post("/predict", files=[("file", ("a.png", picture())), ("file", ("b.png", picture()))])
    assert code_of(answer) == "invalid"


def test_no_image_is_told_as_such(client):
    assert code_of(client.post("/predict", data={"x": "y"})) == "invalid"
    assert code_of(client.post("/predict")) == "unsupported-media"


@pytest.mark.parametrize("query", ["threshold=2", "threshold=x", "include_scores=perhaps", "policy=odd"])
def test_values_that_cannot_be_used_are_named(client, photo, query):
    answer = send(client, photo, f"/predict?{query}")
    assert code_of(answer) == "invalid"
    assert query.partition("=")[0] in answer.json()["errors"][0]["where"]


def test_pixels_and_bytes_of_images_are_limited(store_file):
    settings = Settings(workers=1, max_pixels=5000)
    with served(store_file, analysis=settings, max_image_mib=0.01) as client:
        assert code_of(send(client, picture((100, 60)))) == "too-large"
        assert code_of(send(client, bytes(20_000))) == "too-large"
        assert send(client, picture()).status_code == 200


def test_clients_at_once_get_their_own_answers(client, photo):
    both: dict[str, list[int]] = {"face": [], "grey": []}

    def ask(name: str, data: bytes) -> None:
        both[name].append(send(client, data).json()["n_faces"])

    threads = [threading.Thread(target=ask, args=one) for one in (("face", photo), ("grey", picture())) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert both == {"face": [1] * 4, "grey": [0] * 4}


def test_urls_are_refused_unless_switched_on(client):
    assert code_of(client.post("/predict", data={"url": "https://example.com/a.jpg"})) == "urls-off"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/a.jpg", "http://[::1]/a.jpg", "http://169.254.169.254/a.jpg", "file:///etc/passwd"]
)
def test_urls_lead_to_public_addresses_alone(store_file, url):
    with served(store_file, allow_urls=True) as client:
        assert code_of(client.post("/predict", data={"url": url})) == "address-refused"
