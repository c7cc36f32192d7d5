import base64
import sys
from pathlib import Path

import pytest

from parley_server.config import BadSettings, Settings, load

KEY = base64.b64encode(bytes(32)).decode()


def good(**environ: str) -> Settings:
    settings = load({f"PARLEY_{name.upper()}": value for name, value in environ.items()}, None)
    assert isinstance(settings, Settings), settings
    return settings


def bad(**environ: str) -> str:
    settings = load({f"PARLEY_{name.upper()}": value for name, value in environ.items()}, None)
    assert isinstance(settings, BadSettings)
    return " ".join(settings.says)


def test_defaults_are_those_of_a_first_start() -> None:
    settings = good()
    assert (settings.host, settings.port, settings.data_dir) == ("127.0.0.1", 8080, Path("parley-data"))
    assert settings.verified_only
    assert settings.limits
    assert (settings.database_url, settings.admin_password, settings.evidence_key) == (None, None, None)
    assert settings.evidence_key_path == Path("parley-data/keys/evidence.key")


def test_the_environment_stands_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "parley.toml"
    file.write_text('port = 9000\nidentity = "unverified"\n')
    settings = load({"PARLEY_PORT": "9001"}, file)
    assert isinstance(settings, Settings)
    assert (settings.port, settings.verified_only) == (9001, False)


def test_the_named_file_stands_over_the_one_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "parley.toml").write_text("port = 1\n")
    (tmp_path / "other.toml").write_text("port = 2\n")
    settings = load({"PARLEY_CONFIG": str(tmp_path / "other.toml")}, tmp_path / "parley.toml")
    assert isinstance(settings, Settings)
    assert settings.port == 2


def test_a_named_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    settings = load({"PARLEY_CONFIG": str(tmp_path / "none.toml")}, None)
    assert isinstance(settings, BadSettings)
    assert "cannot be read" in settings.says[0]


def test_an_unknown_variable_is_an_error_that_names_the_nearest() -> None:
    assert "PARLEY_DATABASE_URI; the nearest is PARLEY_DATABASE_URL" in bad(database_uri="x")


def test_an_unknown_key_of_the_file_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "parley.toml"
    file.write_text('identiy = "verified"\n')
    settings = load({}, file)
    assert isinstance(settings, BadSettings)
    assert "identiy; the nearest is identity" in settings.says[0]


def test_variables_of_the_command_are_left_alone() -> None:
    assert good(url="http://127.0.0.1:8080", token="t", password="p").port == 8080


def test_a_file_that_is_not_toml_is_an_error_that_does_not_quote_it(tmp_path: Path) -> None:
    file = tmp_path / "parley.toml"
    file.write_text("admin_password = open sesame\n")
    settings = load({}, file)
    assert isinstance(settings, BadSettings)
    assert "not TOML" in settings.says[0]
    assert "sesame" not in settings.says[0]


def test_lifted_limits_are_accepted_on_loopback_only() -> None:
    assert not good(limits="off").limits
    assert not good(limits="off", host="::1").limits
    assert "loopback only" in bad(limits="off", host="0.0.0.0")  # noqa: S104 (a setting that is refused)


@pytest.mark.parametrize("url", ["redis://127.0.0.1", "rediss://parley:open%2Fsesame@redis:6380", "unix:///run/redis.sock"])
def test_an_address_of_redis_is_taken_and_shown_nowhere(url: str) -> None:
    settings = good(redis_url=url)
    assert settings.redis_url == url and url not in repr(settings)


@pytest.mark.parametrize("url", ["localhost:6379", "redis://:open/sesame@127.0.0.1", "redis://127.0.0.1?sesame=1"])
def test_a_wrong_address_of_redis_is_an_error_that_does_not_quote_it(url: str) -> None:
    says = bad(redis_url=url)
    assert "PARLEY_REDIS_URL" in says and "sesame" not in says and "localhost" not in says


def test_several_workers_need_a_redis_between_them() -> None:
    assert "PARLEY_REDIS_URL" in bad(workers="2")
    settings = good(workers="2", redis_url="redis://127.0.0.1", metrics_port="9000")
    assert (settings.workers, settings.metrics_port) == (2, 9000)
    assert good().metrics_port is None


@pytest.mark.skipif(sys.platform != "linux", reason="workers are for Linux")
def test_each_worker_has_a_port_for_its_metrics() -> None:
    assert "PARLEY_METRICS_PORT" in bad(workers="3", redis_url="redis://127.0.0.1", metrics_port="65534")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "70000"),
        ("port", "http"),
        ("identity", "maybe"),
        ("limits", "none"),
        ("log_format", "xml"),
        ("database_url", "mysql://127.0.0.1"),
        ("admin_password", "short"),
        ("evidence_key", "c2hvcnQ="),
        ("log_key", "c2hvcnQ="),
        ("workers", "0"),
        ("workers", "65"),
        ("workers", "two"),
        ("metrics_port", "0"),
        ("site_name", "a\nb"),
    ],
)
def test_a_value_out_of_range_is_an_error_that_names_its_variable(name: str, value: str) -> None:
    assert f"PARLEY_{name.upper()}" in bad(**{name: value})


def test_everything_that_is_wrong_is_said_at_once() -> None:
    settings = load({"PARLEY_PORT": "x", "PARLEY_LIMITS": "x", "PARLEY_NOTHING": "x"}, None)
    assert isinstance(settings, BadSettings)
    assert len(settings.says) == 3


def test_secrets_stay_out_of_repr() -> None:
    settings = good(admin_password="correct horse", evidence_key=KEY, database_url="postgresql://u:hidden@127.0.0.1/db")
    shown = repr(settings)
    assert settings.evidence_key == KEY
    assert all(secret not in shown for secret in ("correct horse", KEY, "hidden"))


def test_no_sentence_repeats_a_secret() -> None:
    said = bad(admin_password="short", evidence_key="bad-key", database_url="mysql://u:hidden@127.0.0.1")
    assert all(secret not in said for secret in ("short", "bad-key", "hidden"))
