from piswarm.lab.certificates import own_authorities


def pem(body: str, width: int = 64) -> str:
    lines = "\n".join(body[at : at + width] for at in range(0, len(body), width))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"


DEBIANS, COMPANYS, PROXYS = pem("A" * 100), pem("B" * 100), pem("C" * 100)


def test_only_what_debian_does_not_trust_by_itself_is_added_a_file_each():
    added = own_authorities(f"# comment\n{DEBIANS}{COMPANYS}\n{PROXYS}", DEBIANS)
    assert sorted(added.values()) == [COMPANYS, PROXYS]
    assert all(name.endswith(".crt") for name in added)


def test_the_same_certificate_counts_once_however_its_lines_are_broken():
    assert len(own_authorities(COMPANYS + pem("B" * 100, width=76), "")) == 1
    assert own_authorities(pem("A" * 100, width=76), DEBIANS) == {}


def test_names_do_not_depend_on_the_order_so_the_image_is_not_made_again():
    assert own_authorities(COMPANYS + PROXYS, "") == own_authorities(PROXYS + COMPANYS, "")
