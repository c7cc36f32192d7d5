"""inspection/links.py: a domain is found however it is written; what is no link is none."""

import pytest

from parley_server.inspection import links
from tests.unit.server.inspection.making import compiled, found, item, matches, rule

LISTED = {"links": {"domains": ["spam.example", "赌场.example", "bücher.example"]}}
OWN = {"links": {"domains": ["example.org"], "others": True}}


@pytest.mark.parametrize(
    "text",
    [
        "see spam.example",
        "see SPAM.example.",
        "(www.spam.example)",
        "http://spam.example/x?y#z",
        "https://a.b.spam.example:8443/",
        "https://user:pass@spam.example/",
        "https://good.example@spam.example/",
        "https://spam.example./",
        "http:\\\\spam.example\\x",
        "http://spam%2Eexample/",
        "http://%73pam.example/",
        "https://go.example/?to=https%3A%2F%2Fspam.example%2F",
        "ｓｐａｍ．ｅｘａｍｐｌｅ",
        "spam\u3002example",
        "spam\uff61example",
        "去看spam.example吧",
        "去看。spam.example。快",
        "去看\u3002赌场.example\u3002快",
        "赌场.example",
        "http://xn--mes317j.example/",
        "XN--BCHER-KVA.example",
        "Bücher.example",
        "wait...spam.example",
        "wait…spam.example",
        "mail me@spam.example",
        "[here](https://spam.example)",
        "spam\u200b.exam\u00adple",
        "a,spam.example,b",
    ],
)
def test_a_listed_domain_is_found(text: str) -> None:
    assert matches(LISTED, text), text


@pytest.mark.parametrize(
    "text",
    [
        "notspam.example",
        "spam.example.org",
        "spam. example",
        "spam example",
        "spam..example",
        "xn--99999999999999.example",
        "100%.",
        "...",
        "http://",
        "",
        "。",
    ],
)
def test_another_text_is_not_the_listed_domain(text: str) -> None:
    assert not matches(LISTED, text), text


@pytest.mark.parametrize(
    "text",
    [
        "https://elsewhere.test/",
        "look at other.com now",
        "look at other.co.uk.",
        "http://localhost:8080",
        "http://127.0.0.1/",
        "http://[::1]:80/",
        "//other.com/x",
        "http:other.com",
        "https://example.org@other.com",
        "https://example.org.other.com",
        "https://example.org/ and https://other.com/",
        "看other.com吧",
        "other.com/path",
        "https%3A%2F%2Fother.com",
        "http://other%2ecom",
    ],
)
def test_a_link_elsewhere_is_found(text: str) -> None:
    assert matches(OWN, text), text


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/",
        "https://wiki.EXAMPLE.org:443/a.b/readme.md?x=other.com#other.com",
        "example.org",
        "wiki.example.org/readme.md",
        "看wiki.example.org吧",
        "The end.Then more",
        "e.g. this, i.e. that...",
        "version 1.2.3",
        "file.txt",
        "write to me@other.com",
        "first.last@other.com",
        "either//or",
        "a // b",
        "note: this",
    ],
)
def test_what_leads_home_or_nowhere_is_no_link_elsewhere(text: str) -> None:
    assert not matches(OWN, text), text


def test_a_finding_names_the_place_and_the_host() -> None:
    (finding,) = found(compiled(rule(LISTED)), "go to Https://A.Spam.Example/x")
    assert (finding.check, finding.passage, finding.span) == ("links", "a.spam.example", (14, 28))


def test_a_decoded_link_has_no_place() -> None:
    (finding,) = found(compiled(rule(LISTED)), "http://spam%2eexample")
    assert (finding.passage, finding.span) == ("spam.example", None)


def test_others_without_domains_finds_every_link() -> None:
    assert matches({"links": {"domains": [], "others": True}}, "https://example.org")


def test_a_rule_looks_only_where_it_covers() -> None:
    for match in (LISTED, {"links": {"domains": [], "others": True}}):
        ruleset = compiled(rule(match, boards=["here"]))
        assert found(ruleset, item("http://spam.example", board="here"))
        assert not found(ruleset, item("http://spam.example", board="there"))


@pytest.mark.parametrize("domain", ["a..b", "\u200b", "a,b", "(x)"])
def test_a_domain_that_no_text_can_name_is_a_fault(domain: str) -> None:
    bad = links.fault(rule({"links": {"domains": ["ok.example", domain]}}))
    assert bad is not None
    assert bad.where == "match.links.domains[1]"


@pytest.mark.parametrize("letter", ["a", ".", "/", "http:", "//", "a.", "%2e", "。", "@", "http://a@", "a赌."])
def test_no_text_takes_more_than_linear_work(letter: str) -> None:
    # The longest body of one piece over and over: quadratic work would be millions of names.
    text = letter * (8_192 // len(letter.encode()))
    ruleset = compiled(rule(LISTED), rule(OWN, id="own"))
    found(ruleset, text)
    assert sum(1 for _ in links.names(text)) <= 3 * len(text)
    assert sum(1 for _ in links.links(text)) <= 3 * len(text)
