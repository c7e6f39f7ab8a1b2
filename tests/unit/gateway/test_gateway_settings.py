import pytest

from piswarm.errors import ConfigError
from piswarm.gateway.settings import GatewaySettings


def test_the_defaults_fit_the_container():
    settings = GatewaySettings.from_environment({})
    assert settings.plane.bind == ":8080"
    assert settings.controller_address == ("127.0.0.1", 8081)
    assert settings.network == "piswarm_functions"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PISWARM_GATEWAY_BIND", "8080x"),
        ("PISWARM_GATEWAY_CONTROLLER", "127.0.0.1"),
        ("PISWARM_GATEWAY_RESOLVER", "127.0.0.11:0"),
        ("PISWARM_GATEWAY_REFRESH_S", "often"),
        ("PISWARM_GATEWAY_REFRESH_S", "0"),
    ],
)
def test_a_bad_value_stops_the_start_and_is_named(variable, value):
    with pytest.raises(ConfigError, match=variable):
        GatewaySettings.from_environment({variable: value})


def test_the_registrys_credentials_are_used_where_there_are_some(tmp_path):
    settings = GatewaySettings.from_environment({"PISWARM_GATEWAY_SECRETS": str(tmp_path)})
    assert settings.registry_config is None
    (tmp_path / "registry-config.json").write_text("{}")
    assert settings.registry_config == tmp_path / "registry-config.json"
