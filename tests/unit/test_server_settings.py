"""``[server]``: where the page is served, and under which names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quaero.config import ServerSettings, load
from quaero.errors import ConfigError


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in os.environ:
        if name.upper().startswith("QUAERO_"):
            monkeypatch.delenv(name)


def server(folder: Path, text: str = "") -> ServerSettings:
    (folder / "quaero.toml").write_text(f"[server]\n{text}\n", encoding="utf-8")
    return load(folder).server


def test_without_a_word_it_is_this_host_alone(tmp_path):
    assert server(tmp_path) == ServerSettings(host="127.0.0.1", port=8085, hosts=(), proxy=False, session_hours=12)


def test_names_may_have_ports(tmp_path):
    found = server(tmp_path, 'hosts = ["Quaero.Example.org", "nuc:8443", "[fd00::1]:443", "fd00::1"]\nhost = "::"')

    assert found.hosts == ("quaero.example.org", "nuc:8443", "[fd00::1]:443", "fd00::1")
    assert found.host == "::"


def test_the_environment_names_hosts_with_commas(tmp_path, monkeypatch):
    monkeypatch.setenv("QUAERO_SERVER_HOSTS", "a.example, b.example")
    monkeypatch.setenv("QUAERO_SERVER_PROXY", "true")
    monkeypatch.setenv("QUAERO_SERVER_PORT", "80")

    found = server(tmp_path)

    assert (found.hosts, found.proxy, found.port) == (("a.example", "b.example"), True, 80)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('host = "http://x"', "[server] host: must be a host name or an address, without port"),
        ('host = "x:80"', "without port"),
        ('host = ""', "must be a host name"),
        ('hosts = ["https://x"]', "[server] hosts: must be host names as browsers show them"),
        ('hosts = ["x/y"]', "must be host names"),
        ('hosts = ["*"]', "must be host names"),
        ("port = 65536", "[server] port: must be less than or equal to 65535"),
        ("session_hours = 0", "must be greater than 0"),
        ("prot = 1", "did you mean port"),
    ],
)
def test_what_can_not_be_used_is_refused_with_its_place(tmp_path, text, message):
    with pytest.raises(ConfigError) as refused:
        server(tmp_path, text)

    assert "quaero.toml:2" in str(refused.value)
    assert message in str(refused.value)


def test_what_kubernetes_says_of_a_service_is_no_setting(tmp_path, monkeypatch):
    monkeypatch.setenv("QUAERO_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("QUAERO_SERVICE_PORT", "8085")
    monkeypatch.setenv("QUAERO_PORT", "tcp://10.0.0.1:8085")

    assert server(tmp_path).port == 8085
