from piswarm.secret import Secret


def test_a_secret_shows_itself_only_when_it_is_handed_over():
    secret = Secret("raspberry")
    assert [str(secret), repr(secret), f"{secret}", f"{[secret]}"] == [
        "********",
        "Secret(********)",
        "********",
        "[Secret(********)]",
    ]
    assert secret.reveal() == "raspberry"
    assert not hasattr(secret, "__dict__")


def test_secrets_are_equal_by_content():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert not Secret("")
    assert len({Secret("a"), Secret("a")}) == 1
