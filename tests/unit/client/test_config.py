"""Where the command talks to, and who may read its token."""

from pathlib import Path

import pytest

from parley_client.address import http_base, websocket_url
from parley_client.commands.config import Where, file_of, keep, where


def environment(home: Path, **more: str) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(home), **more}


def test_a_fresh_machine_is_a_guest_on_loopback(tmp_path: Path) -> None:
    assert where(None, None, environment(tmp_path)) == Where("http://127.0.0.1:8080", None)


def test_a_kept_token_is_found_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    held = environment(tmp_path)
    file = keep("ws://parley.example/", "secret", held)
    assert file == file_of(held)
    assert file.stat().st_mode & 0o777 == 0o600
    assert where(None, None, held) == Where("http://parley.example", "secret")


def test_a_token_is_never_shown_to_another_server(tmp_path: Path) -> None:
    held = environment(tmp_path)
    keep("https://parley.example", "secret", held)
    assert where("https://other.example", None, held).token is None


def test_the_environment_goes_before_the_file_and_the_command_line_before_both(tmp_path: Path) -> None:
    held = environment(tmp_path, PARLEY_URL="http://two.example", PARLEY_TOKEN="two")
    keep("https://one.example", "one", held)
    assert where(None, None, held) == Where("http://two.example", "two")
    assert where("http://three.example", "three", held) == Where("http://three.example", "three")
    assert where(None, "", held).token is None


def test_a_broken_file_counts_as_none(tmp_path: Path) -> None:
    held = environment(tmp_path)
    keep("https://one.example", "one", held).write_text("{broken")
    assert where(None, None, held).token is None


@pytest.mark.parametrize("url", ["ws://h:1", "http://h:1/", "h:1", "ws://h:1/v1/ws"])
def test_one_address_gives_both_endpoints(url: str) -> None:
    assert (http_base(url), websocket_url(url)) == ("http://h:1", "ws://h:1/v1/ws")


@pytest.mark.parametrize("url", ["ftp://h", "http://", "://"])
def test_what_is_no_address_is_named(url: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        http_base(url)
