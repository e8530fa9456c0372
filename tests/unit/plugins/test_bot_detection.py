"""bot-detection, row by row of its page."""

from __future__ import annotations

from typing import Any

import pytest

from dbless_gateway.pdk.plugin import ConfigError
from dbless_gateway.plugins import bot_detection
from tests.support.plugin_context import FakeContext, make_handler


def status(agent: str, **config: Any) -> int:
    reply = make_handler(bot_detection, config).access(FakeContext(headers=[("User-Agent", agent)]))
    return reply.status if reply else 0


# The names of the page, by the kind of rule: what stands around them decides.
VERSIONED = ("facebookexternalhit", "Twitterbot")
AWS = (
    *("Boto", "Boto3", "JetS3t", "aws-cli", "s3fs"),
    *(f"aws-sdk-{name}" for name in ("cpp", "go", "java", "nodejs", "ruby", "ruby2", "dotnet-core")),
)
BEHIND_A_SLASH = (
    *("Nutch", "Ant-Nutch", "Somebot", "SomeBot", "Somespider", "SomeSpider", "Axtaris", "fetchurl"),
    *("Isara", "ShopSalad", "Tailsweep"),
)
WORDS = (
    *("008", "Altresium", "Argus", "BaiduMobaider", "BoardReader", "DNSGroup", "DataparkSearch", "EDI"),
    *("Goodzer", "Grub", "INGRID", "Infohelfer", "LinkedInBot", "LOOQ", "Nutch", "OgScrper"),
    *("PathDefender", "Peew", "PostPost", "Steeler", "Twitterbot", "VSE", "WebCrunch", "WebZIP"),
    *("Y!J-BR", "Y!J-BRE", "YahooSeeker", "envolk", "sproose", "wminer"),
)
LIBRARIES = (
    *("Google-HTTP-Java-Client", "Apache-HttpClient", "Go-http-client", "scalaj-http", "http%20client"),
    *("Python-urllib", "HttpMonitor", "TLSProber", "WinHTTP", "JNLP", "okhttp", "aihttp", "reqwest"),
    *("axios", "unirest-java", "unirest-python", "unirest-ruby", "unirest-nodejs", "unirest-php"),
    *("unirest-net",),
)
CRAWLERS = (
    *("AdsBot-Google", "AppEngine-Google", "Googlebot", "Mediapartners-Google", "bingbot", "BingPreview"),
    *("msnbot", "msrbot", "Slurp", "Yahoo! Slurp", "YahooSeeker", "Baiduspider-image", "YandexImages"),
    *("YodaoBot", "Yeti", "Daumoa", "ia_archiver", "InternetArchive", "archive.org_bot", "archiver"),
    *("altavista", "Ask Jeeves", "lycos", "heritrix", "larbin", "htdig", "gsa-crawler", "grub-client"),
    *("gigabot", "MJ12bot", "SemrushBot", "SEOstats", "Scrapy", "masscan", "WhatWeb", "WhatsApp"),
    *("Slackbot-LinkExpanding", "Slack-ImgProxy", "Twitterbot", "LinkedInBot", "Mail.RU_Bot", "WordPress"),
    *("Feedbin", "Netvibes", "NewsGator", "SimplePie", "SimpleRSS", "Tiny Tiny RSS", "Xenu Link Sleuth"),
    *("yacy", "Qwantify", "Genieo", "Catchpoint", "GomezAgent", "YottaaMonitor", "URL2PNG", "PagePeeker"),
    *("Thumbshots.ru", "getfavicons", "WIRE", "Reaper", "Kraken", "Orbiter", "Stringer", "Riddler"),
    *("Vagabondo", "ZyBorg", "ZooShot", "Google SketchUp", "Web-sniffer", "Xerka Bot", "IP2Geo Bot"),
    "Microsoft URL Control Bot",
)
AT_THE_START = ("NING", "vortex", "voyager", "Zao")
GENERIC = (
    "Archiver",
    "archiver",
    "Indexer",
    "indexer",
    "Scraper",
    "Bot",
    "bot",
    "Spider",
    "Crawler",
    "crawl",
)


@pytest.mark.parametrize(
    ("form", "names"),
    [
        ("a {}/1.2 b", VERSIONED),
        ("a {}/1.2 b", AWS),
        ("a /{} 1", BEHIND_A_SLASH),
        ("a /{}-1", BEHIND_A_SLASH),
        ("a {}/1", WORDS),
        ("a {} b", LIBRARIES),
        ("a{}b", LIBRARIES),
        ("a {} b", CRAWLERS),
        ("a{}b", CRAWLERS),
        ("{} b", AT_THE_START),
        ("{}/1.0", AT_THE_START),
        ("My{}/1", GENERIC),
        ("My{} 1", GENERIC),
        ("a{}b", ("spider", "SpIdEr", "crawl", "CRAWL", "scrape", "Scrape")),
    ],
)
def test_every_name_of_the_rules(form: str, names: tuple[str, ...]) -> None:
    handler = make_handler(bot_detection, {})
    agents = [form.format(name) for name in names]

    passed = [
        agent for agent in agents if handler.access(FakeContext(headers=[("User-Agent", agent)])) is None
    ]
    assert passed == []


@pytest.mark.parametrize(
    "agent",
    [
        "a facebookexternalhit/1",
        "a Boto3/1",
        "a Axtaris 1",
        "aArgus/1",
        "a Argus/x",
        "a PTST/187 b",
        "a vortex",
        "GOOGLEBOT",
        "a SCRAPE",
        "MyBot",
        "MyBot-1",
    ],
)
def test_near_misses(agent: str) -> None:
    assert status(agent) == 0


@pytest.mark.parametrize(
    "agent",
    [
        "Googlebot/2.1 (+http://www.google.com/bot.html)",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "Twitterbot/1.0",
        "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)",
        "Mozilla/5.0 (X) AppleWebKit PTST/187",
        "Mozilla/5.0 (Windows; U) Gecko (via ggpht.com) Google (+https://developers.google.com/+/web/snippet/)",
        "Boto3/1.9 Python/3.6",
        "aws-sdk-dotnet-coreclr/3.5",
        "Mozilla/5.0 (compatible) /Nutch-1.4",
        "Argus/1.1",
        "Mozilla/4.0 (compatible; MSIE 5.0; Windows 98; DigExt; MSIECrawler)",
        "Go-http-client/1.1",
        "okhttp/4.9",
        "axios/0.21",
        "Mozilla/5.0 (compatible; YandexImages/3.0)",
        "Mozilla/5.0 (compatible; Yahoo! Slurp)",
        "Slackbot-LinkExpanding 1.0",
        "WordPress/5.0; http://blog.test",
        "voyager/1.0",
        "MyBot/2.0",
        "some Indexer 3",
        "a SPIDER",
        "WebScrapeTool",
    ],
)
def test_bots(agent: str) -> None:
    assert status(agent) == 403


@pytest.mark.parametrize(
    "agent",
    [
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36",
        "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Mobile/15E148 Safari/604.1",
        "curl/7.43.0",
        "HelloWorld",
        "python-requests/2.31.0",
        "",
    ],
)
def test_people(agent: str) -> None:
    assert status(agent) == 0


def test_allow_wins_over_everything() -> None:
    agent = "facebookexternalhit/1.1"

    assert status(agent, allow=["facebookexternalhit"]) == 0
    assert status(agent, allow=["facebookexternalhit"], deny=["facebook"]) == 0
    assert status(agent, allow=["Facebook"]) == 403


def test_deny() -> None:
    assert status("HelloWorld", deny=["^Hello"]) == 403
    assert status("  HelloWorld ", deny=["^Hello"]) == 403
    assert status("SayHello", deny=["^Hello"]) == 0


@pytest.mark.parametrize("absent", [[], None])
def test_lists_may_be_absent(absent: Any) -> None:
    assert status("Googlebot/2.1", allow=absent, deny=absent) == 403
    assert status("HelloWorld", allow=absent, deny=absent) == 0


def test_the_refusal() -> None:
    handler = make_handler(bot_detection, {})
    agent = ("User-Agent", "Googlebot/2.1")
    plain = handler.access(FakeContext(headers=[agent, ("Accept", "text/plain")]))
    grpc = handler.access(FakeContext(headers=[agent, ("content-type", "application/grpc")]))

    assert plain.body.startswith(b"Forbidden\n")
    assert dict(grpc.headers) == {"grpc-status": "7", "grpc-message": "PermissionDenied"}


def test_no_user_agent_and_two() -> None:
    handler = make_handler(bot_detection, {})
    assert handler.access(FakeContext()) is None

    reply = handler.access(
        FakeContext(headers=[("User-Agent", "a"), ("User-Agent", "b"), ("Accept", "text/plain")])
    )
    assert reply.status == 400
    assert reply.body.startswith(b"Only one User-Agent header allowed\n")


def test_the_memory_of_verdicts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot_detection, "_REMEMBERED_VERDICTS", 2)
    handler = make_handler(bot_detection, {"deny": ["3"]})
    agents = [f"agent {n % 5}{'x' * (600 * (n % 2))}" for n in range(20)]

    verdicts = [handler.access(FakeContext(headers=[("User-Agent", agent)])) is None for agent in agents]
    assert verdicts == [n % 5 != 3 for n in range(20)]


def test_config_errors() -> None:
    with pytest.raises(ConfigError) as caught:
        make_handler(bot_detection, {"deny": ["ok", "("]})

    assert (caught.value.field, caught.value.message) == ("deny[1]", "not a valid regex: (")
