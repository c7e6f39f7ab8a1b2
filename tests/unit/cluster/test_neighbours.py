from piswarm.cluster.neighbours import parse_arp, parse_linux_table

LINUX = """\
IP address       HW type     Flags       HW address            Mask     Device
192.168.1.1      0x1         0x2         44:4e:6d:00:00:01     *        wlan0
192.168.1.23     0x1         0x2         2C:CF:67:0A:0B:0C     *        eth0
192.168.1.99     0x1         0x0         00:00:00:00:00:00     *        eth0
"""
MACOS = """\
? (192.168.1.1) at 44:4e:6d:0:0:1 on en1 ifscope [ethernet]
? (192.168.1.23) at 2c:cf:67:a:b:c on en0 ifscope [ethernet]
? (192.168.1.99) at (incomplete) on en0 ifscope [ethernet]
? (224.0.0.251) at 1:0:5e:0:0:fb on en0 ifscope permanent [ethernet]
"""


def test_linux_tells_the_neighbours_that_answered_on_the_interfaces_asked_for():
    assert parse_linux_table(LINUX, ["eth0"]) == {"192.168.1.23": "2c:cf:67:0a:0b:0c"}


def test_macos_tells_them_with_the_zeros_that_it_leaves_out():
    known = parse_arp(MACOS, ["en0"])
    assert known["192.168.1.23"] == "2c:cf:67:0a:0b:0c"
    assert "192.168.1.1" not in known
    assert "192.168.1.99" not in known
