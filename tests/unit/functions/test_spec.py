"""Functions' files in OpenFaaS's stack format."""

import pytest

from piswarm.errors import SpecError
from piswarm.functions.spec import check_name, parse_stack
from piswarm.functions.templates import load_templates
from piswarm.settings import STACKS

LANGUAGES = load_templates()


def parse(text, **variables):
    return parse_stack(text, "functest.yml", variables, LANGUAGES)


def one(body, **variables):
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return parse(f"functions:\n  functest:\n{lines}", **variables).function("functest")


MINIMAL = "lang: python3\nhandler: ./functest"


def test_the_example_of_the_old_world_is_read():
    stack = parse((STACKS / "functest" / "functest.yml").read_text())
    spec = stack.function("functest")
    assert (spec.lang, spec.handler, spec.image) == ("python-armhf", "functest", "functest")
    assert stack.gateway == "http://127.0.0.1:8080"
    assert LANGUAGES[spec.lang].name == "python3"


def test_everything_that_a_function_may_say():
    spec = one(
        MINIMAL
        + """
image: functest:1.0
fprocess: python3 index.py
environment: {write_debug: true, RATIO: 1.0, EMPTY: }
environment_file: [common.yml]
secrets: [api-key]
labels: {com.openfaas.scale.min: 2}
annotations: {topic: news}
limits: {memory: 40Mi, cpu: 100m}
requests: {memory: 20Mi}
constraints: ["node.labels.piswarm.arch == armhf"]
build_args: {ADDITIONAL_PACKAGE: libxml2}
readonly_root_filesystem: true
repo: https://example.org/functions.git
ref: v2"""
    )
    assert (spec.repo, spec.ref) == ("https://example.org/functions.git", "v2")
    assert spec.process == "python3 index.py"
    assert spec.environment == {"write_debug": "true", "RATIO": "1.0", "EMPTY": ""}
    assert spec.environment_files == ("common.yml",)
    assert spec.secrets == ("api-key",)
    assert spec.labels == {"com.openfaas.scale.min": "2"}
    assert spec.annotations == {"topic": "news"}
    assert (spec.limits, spec.requests) == ({"memory": "40Mi", "cpu": "100m"}, {"memory": "20Mi"})
    assert spec.constraints == ("node.labels.piswarm.arch == armhf",)
    assert spec.build_args == {"ADDITIONAL_PACKAGE": "libxml2"}
    assert spec.read_only


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        ("${LEVEL:-info}", {}, "info"),
        ("${LEVEL:-info}", {"LEVEL": "debug"}, "debug"),
        ("${LEVEL:-info}", {"LEVEL": ""}, "info"),
        ("a ${X}${Y:-2} b", {"X": "1"}, "a 12 b"),
        ("${UNSET}", {}, ""),
        ("$HOME {x}", {"HOME": "no"}, "$HOME {x}"),
    ],
)
def test_variables_are_replaced(text, variables, expected):
    spec = one(f"{MINIMAL}\nenvironment:\n  LEVEL: '{text}'", **variables)
    assert spec.environment == {"LEVEL": expected}


def test_a_variable_cannot_change_the_structure():
    spec = one(f"{MINIMAL}\nimage: ${{IMAGE}}", IMAGE="x\nsecrets: [stolen]")
    assert spec.secrets == ()


def test_anchors_and_merge_keys_work():
    stack = parse(
        "x-common: &common\n  lang: python3\n  labels: {a: '1'}\n"
        "functions:\n  one:\n    <<: *common\n    handler: ./one\n  two:\n    <<: *common\n    handler: ./two\n"
    )
    assert [spec.labels for spec in stack.functions.values()] == [{"a": "1"}, {"a": "1"}]


def test_a_function_without_lang_takes_its_image_as_it_is():
    spec = one("image: registry.example.org/library/nginx")
    assert not spec.is_built
    assert not one("lang: python3\nhandler: ./x\nimage: y\nskip_build: true").is_built


def test_keys_without_effect_are_noted():
    stack = parse("functions:\n  a:\n    lang: python3\n    handler: ./a\n    build_options: [dev]\n")
    assert stack.notes == (
        "'build_options' of a has no effect: name the packages in the build argument ADDITIONAL_PACKAGE.",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "functions:\n  a:\n    lang: python3\n    handlr: ./a\n",
            "line 4: unknown key 'handlr' in function a (did you mean 'handler'?)",
        ),
        ("function:\n  a: {}\n", "line 1: unknown key 'function' in the file (did you mean 'functions'?)"),
        (
            "provider: {nam: openfaas}\nfunctions: {}\n",
            "unknown key 'nam' in provider (did you mean 'name'?)",
        ),
        (
            "functions:\n  a:\n    lang: pyton3\n    handler: ./a\n",
            "line 3: there is no language 'pyton3' (did you mean 'python3'?)",
        ),
        ("functions:\n  a:\n    lang: python3\n", "line 3: 'handler', the folder of the source, is missing"),
        (
            "functions:\n  a:\n    lang: python3\n    handler: /etc\n",
            "line 4: the handler '/etc' is not relative to this file",
        ),
        (
            "functions:\n  Bad_Name:\n    lang: python3\n    handler: ./a\n",
            "line 3: 'Bad_Name' is not 1 to 63 lower-case letters",
        ),
        (
            "functions:\n  a:\n    image: x\n    environment: [A=1]\n",
            "line 4: environment is not a mapping of keys to values",
        ),
        ("functions:\n  a:\n    image: x\n    secrets: one\n", "line 4: secrets is not a list"),
        ("functions:\n  a:\n    image: {b: c}\n", "line 3: image is not a text"),
        (
            "functions:\n  a:\n    image: x\n    readonly_root_filesystem: perhaps\n",
            "line 4: readonly_root_filesystem is neither true nor false",
        ),
        (
            "functions:\n  a:\n    image: x\n    limits: {memry: 1m}\n",
            "unknown key 'memry' in limits (did you mean 'memory'?)",
        ),
        ("functions:\n  a:\n    image: x\n    image: y\n", "line 4: 'image' stands twice in function a"),
        (
            "functions:\n  a: {}\n",
            "line 2: neither 'lang' (to build) nor 'image' (to take as it is) is given",
        ),
        ("version: 1.0\n", "line 1: there are no functions"),
        ("", "line 1: there are no functions"),
        ("- a\n", "line 1: the file is not a mapping of keys to values"),
        ("functions: [\n", "functest.yml line 2: this is not YAML"),
        ("a: b\n---\nc: d\n", "this is not YAML: but found another document"),
        ("\x00", "functest.yml is not YAML"),
    ],
)
def test_a_fault_is_named_with_its_line(text, message):
    with pytest.raises(SpecError) as caught:
        parse(text)
    assert message in caught.value.message


def test_every_fault_is_named_at_once():
    with pytest.raises(SpecError) as caught:
        parse("functions:\n  a:\n    lang: python3\n    labls: {}\n    secrets: x\n")
    assert caught.value.message == (
        "functest.yml line 3: 'handler', the folder of the source, is missing; "
        "line 4: unknown key 'labls' in function a (did you mean 'labels'?); line 5: secrets is not a list."
    )


def test_an_unknown_function_is_told_with_the_nearest():
    with pytest.raises(SpecError) as caught:
        parse("functions:\n  functest: {image: x}\n").function("functst")
    assert caught.value.message == "functest.yml has no function 'functst' (did you mean 'functest'?)."


@pytest.mark.parametrize("name", ["a", "hello-world", "a" * 63, "0x"])
def test_names_that_can_be(name):
    check_name(name)


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "a.b", "a" * 64, "a b", "../a", "a\n"])
def test_names_that_cannot_be(name):
    with pytest.raises(SpecError):
        check_name(name)
