"""One example for every rule: what is wrong, and the words that say so."""

from __future__ import annotations

import pytest

from tests.unit.config.faulty_routing import ROUTING
from tests.unit.config.reading import faults

NEW_MODEL = """
[[models]]
id = "local"
provider = "anthropic"
context_tokens = 8000
max_output_tokens = 4000
takes_structured_output = false
"""

FAULTS = ROUTING | {
    "unknown key": ("colour = 1", "colour: there is no such key"),
    "unknown key, mistyped": ("[server]\nlistn = 1", "server.listn: there is no such key; did you"),
    "unknown key in a list": (
        "[[tiers]]\nname = 'efficient'\nmodle = 'x'",
        "tiers[0].modle: there",
    ),
    "wrong type: not a table": ("server = 5", "server: must be a table"),
    "wrong type: not a string": ("profile = 5", "profile: must be a string"),
    "wrong type: not a list": ("tiers = 5", "tiers: must be a list"),
    "wrong type: entry": ("tiers = [5]", "tiers[0]: must be a table"),
    "wrong type: not a number": ("[check]\ntimeout_s = '30'", "check.timeout_s: must be a number"),
    "wrong type: not whole": ("[upstream]\nmax_connections = 1.5", "must be a whole number"),
    "wrong type: truth": ("[server]\nreuse_port = 1", "server.reuse_port: must be true or false"),
    "wrong type: number as truth": (
        "[check]\ntimeout_s = true",
        "check.timeout_s: must be a number",
    ),
    "infinite": ("[check]\ntimeout_s = inf", "check.timeout_s: must be a finite number"),
    "unknown profile": ("profile = 'claude-5'", "profile: there is no profile 'claude-5'; did you"),
    "unknown profile, far off": ("profile = 'gpt'", "there is no profile 'gpt'; there is claude-4"),
    "tier with an unknown model": (
        "[[tiers]]\nname = 'efficient'\nmodel = 'claude-haiku-4-6'",
        "tiers[0].model: there is no model 'claude-haiku-4-6'; did you mean 'claude-haiku-4-5'?",
    ),
    "new tier without a model": (
        "[[tiers]]\nname = 'genius'",
        "tiers[0]: tier 'genius' is new, so it needs a model",
    ),
    "model without a price": (
        NEW_MODEL + "[[tiers]]\nname = 'efficient'\nmodel = 'local'\nmax_output_tokens = 2000",
        "tiers[0].model: model 'local' of tier 'efficient' has no price in 'anthropic-2026-11-23'",
    ),
    "budget thinking rejected": (
        "[[tiers]]\nname = 'reasoning'\nthinking = 'budget'\nthinking_budget_tokens = 2048",
        "tiers[0].thinking: tier 'reasoning' has thinking 'budget', which 'claude-opus-4-8' rejects;"
        " it accepts none, adaptive",
    ),
    "adaptive thinking rejected": (
        "[[tiers]]\nname = 'efficient'\nthinking = 'adaptive'",
        "tiers[0].thinking: tier 'efficient' has thinking 'adaptive', which 'claude-haiku-4-5-20251001'",
    ),
    "no thinking rejected": (
        "[[tiers]]\nname = 'frontier'\nmodel = 'claude-sonnet-5-5'",
        "tiers[0].model: tier 'frontier' has thinking 'none', which 'claude-sonnet-5-5', which always",
    ),
    "unknown thinking": (
        "[[tiers]]\nname = 'frontier'\nthinking = 'adaptve'",
        "tiers[0].thinking: 'adaptve' is not one of none, budget, adaptive; did you mean 'adaptive'?",
    ),
    "budget missing": (
        "[[tiers]]\nname = 'efficient'\nthinking = 'budget'",
        "tiers[0].thinking: tier 'efficient' needs a thinking_budget_tokens of 1024 or more",
    ),
    "budget too small": (
        "[[tiers]]\nname = 'efficient'\nthinking = 'budget'\nthinking_budget_tokens = 1023",
        "tiers[0].thinking_budget_tokens: tier 'efficient' needs a thinking_budget_tokens of 1024",
    ),
    "budget of the whole answer": (
        "[[tiers]]\nname = 'efficient'\nthinking = 'budget'\nthinking_budget_tokens = 4096",
        "tiers[0].thinking_budget_tokens: tier 'efficient' has a thinking budget of 4096 tokens, which",
    ),
    "budget without budget thinking": (
        "[[tiers]]\nname = 'efficient'\nthinking_budget_tokens = 2048",
        "tiers[0].thinking_budget_tokens: tier 'efficient' has a budget, but its thinking is 'none'",
    ),
    "effort on a model without": (
        "[[tiers]]\nname = 'efficient'\neffort = 'low'",
        "tiers[0].effort: tier 'efficient' has effort 'low', but 'claude-haiku-4-5-20251001' takes no",
    ),
    "effort of another model": (
        "[[tiers]]\nname = 'frontier'\neffort = 'xhigh'",
        "tiers[0].effort: tier 'frontier' has effort 'xhigh'; 'claude-sonnet-4-6' accepts low, medium",
    ),
    "effort that needs thinking": (
        "profile = 'claude-5.5'\n[[tiers]]\nname = 'efficient'\neffort = 'max'",
        "tiers[0].effort: tier 'efficient' has effort 'max', which 'claude-haiku-5-5' accepts only while",
    ),
    "unknown effort": (
        "[[tiers]]\nname = 'frontier'\neffort = 'hihg'",
        "tiers[0].effort: 'hihg' is not one of default, low, medium, high, xhigh, max; did you mean",
    ),
    "longer answers than the model writes": (
        "[[tiers]]\nname = 'efficient'\nmax_output_tokens = 64_001",
        "tiers[0].max_output_tokens: tier 'efficient' has max_output_tokens 64001, but",
    ),
    "no answer at all": (
        "[[tiers]]\nname = 'efficient'\nmax_output_tokens = 0",
        "tiers[0].max_output_tokens: must be 1 or more",
    ),
    "headroom beyond the longest request": (
        "[server]\nmax_request_s = 15",
        "tier 'reasoning' can never start: headroom_s is 15 and server.max_request_s 15",
    ),
    "structured checks that a model cannot give": (
        NEW_MODEL
        + "[check]\nstructured = true\n[[tiers]]\nname = 'efficient'\nmodel = 'local'\n"
        + "max_output_tokens = 2000\n[prices.models.local]\ninput = 1\noutput = 2",
        "check.structured: tier 'efficient' drafts, but its model 'local' takes no structured output",
    ),
    "new model without facts": (
        "[[models]]\nid = 'local'\nprovider = 'anthropic'",
        "models[0]: 'local' is new, so it needs context_tokens, max_output_tokens",
    ),
    "unknown provider": (
        "[[models]]\nid = 'local'\nprovider = 'anthropics'",
        "models[0].provider: 'anthropics' is not one of anthropic; did you mean 'anthropic'?",
    ),
    "model described twice": (
        "[[models]]\nid = 'claude-haiku-4-5'\n[[models]]\nid = 'claude-haiku-4-5-20251001'",
        "models[1].id: 'claude-haiku-4-5-20251001' is described twice",
    ),
    "alias of another model": (
        NEW_MODEL + "aliases = ['claude-opus-4-8']",
        "models[0].aliases: 'claude-opus-4-8' names another model too",
    ),
    "model that writes more than it holds": (
        "[[models]]\nid = 'claude-haiku-4-5'\ncontext_tokens = 1000",
        "models[0]: max_output_tokens is more than context_tokens",
    ),
    "always thinking and not": (
        "[[models]]\nid = 'claude-haiku-5-5'\nalways_thinks = true",
        "models[0]: always_thinks contradicts 'none' in thinking",
    ),
    "not always thinking, yet no way not to": (
        "[[models]]\nid = 'claude-haiku-5-5'\nthinking = ['adaptive']",
        "models[0]: thinking lacks 'none', so always_thinks must be true",
    ),
    "effort without thinking that is none": (
        "[[models]]\nid = 'claude-haiku-4-5'\nefforts_without_thinking = ['low']",
        "models[0]: efforts_without_thinking names low, which efforts does not",
    ),
    "model id with a space": (
        "[[models]]\nid = 'a b'",
        "models[0].id: holds a character that is not",
    ),
    "zero timeout": ("[check]\ntimeout_s = 0", "check.timeout_s: must be greater than 0"),
    "negative timeout": (
        "[upstream]\nidle_timeout_s = -1",
        "upstream.idle_timeout_s: must be greater than 0",
    ),
    "negative delay": ("[server]\ndrain_delay_s = -1", "server.drain_delay_s: must be 0 or more"),
    "timeout of days": (
        "[server]\nmax_request_s = 1e6",
        "server.max_request_s: must be 86400 or less",
    ),
    "no tries": ("[upstream.retry]\nmax_tries = 0", "upstream.retry.max_tries: must be 1 or more"),
    "many tries": (
        "[upstream.retry]\nmax_tries = 11",
        "upstream.retry.max_tries: must be 10 or less",
    ),
    "retry delays out of order": (
        "[upstream.retry]\nbase_delay_s = 9",
        "upstream.retry.base_delay_s: is 9, more than max_delay_s 8",
    ),
    "breaker times out of order": (
        "[upstream.breaker]\nopen_s = 61",
        "upstream.breaker.open_s: is 61, more than max_open_s 60",
    ),
    "no share of failures": (
        "[upstream.breaker]\nfailure_share = 0",
        "upstream.breaker.failure_share: must",
    ),
    "nobody at once": (
        "[server]\nmax_concurrent_requests = 0",
        "server.max_concurrent_requests: must be 1 or more",
    ),
    "small messages": (
        "[server]\nmax_message_bytes = 10",
        "server.max_message_bytes: must be 65536",
    ),
    "port out of range": (
        "[server]\nlisten = '127.0.0.1:65536'",
        "server.listen: has a port that is not a number from 0 to 65535",
    ),
    "port that is no number": (
        "[server]\nlisten = 'localhost:http'",
        "server.listen: has a port that",
    ),
    "address without a port": (
        "[server]\nlisten = 'localhost'",
        "server.listen: is not an address",
    ),
    "address with a path": (
        "[server]\nlisten = 'a/b:1'",
        "server.listen: is not an address such as",
    ),
    "base URL of another scheme": (
        "[upstream.anthropic]\nbase_url = 'file:///etc/passwd'",
        "upstream.anthropic.base_url: is not an http or https address",
    ),
    "base URL with a password": (
        "[upstream.anthropic]\nbase_url = 'https://u:p@host'",
        "upstream.anthropic.base_url: must hold no user, password, query or fragment",
    ),
    "base URL beyond repair": (
        "[upstream.anthropic]\nbase_url = 'https://[::1'",
        "upstream.anthropic.base_url: is not an http or https address",
    ),
    "unknown log level": (
        "[telemetry]\nlog_level = 'warn'",
        "telemetry.log_level: 'warn' is not one of debug, info, warning, error; did you mean 'warning'?",
    ),
    "evidence without a number": (
        "[[routing.rows]]\ntask_types = ['a']\ntier = 'frontier'\nevidence.sample_size = 20",
        "routing.rows[0].evidence.quality: is missing",
    ),
    "unknown price book": (
        "[prices]\nbook = 'anthropic-2026-11-22'",
        "prices.book: there is no price book 'anthropic-2026-11-22'; did you mean",
    ),
    "price as a binary fraction": (
        "[prices.models.claude-opus-4-8]\ninput = 0.1\noutput = 1",
        'prices.models.claude-opus-4-8.input: must be a whole number or a string such as "0.10"',
    ),
    "price that is no number": (
        "[prices.models.claude-opus-4-8]\ninput = '1e3'\noutput = 1",
        "prices.models.claude-opus-4-8.input: is not a decimal price",
    ),
    "price finer than a pico-USD": (
        "[prices.models.claude-opus-4-8]\ninput = '0.0000001'\noutput = 1",
        "prices.models.claude-opus-4-8.input: is not a whole number of pico-USD per token",
    ),
    "negative price": (
        "[prices.models.claude-opus-4-8]\ninput = -1\noutput = 1",
        "prices.models.claude-opus-4-8.input: is not a price in USD per million tokens",
    ),
    "half a price": (
        "[prices.models.claude-opus-4-8]\ninput = 1",
        "prices.models.claude-opus-4-8: needs input and output prices, or bands",
    ),
    "cache price finer than a pico-USD": (
        "[prices.models.claude-opus-4-8]\ninput = '0.000001'\noutput = 1",
        "prices.models.claude-opus-4-8: derives a cache rate that is not a whole number of pico-USD",
    ),
    "price under another name": (
        "[prices.models.claude-haiku-4-5]\ninput = 1\noutput = 1",
        "prices.models.claude-haiku-4-5: 'claude-haiku-4-5' is another name of",
    ),
    "bands and prices": (
        "[prices.models.a]\ninput = 1\nbands = [{input = 1, output = 1}]",
        "prices.models.a: has both bands and prices beside them",
    ),
    "bands without an end": (
        "[prices.models.a]\nbands = [{input = 1, output = 1, up_to_input_tokens = 10}]",
        "prices.models.a: needs a last band without up_to_input_tokens",
    ),
    "bands out of order": (
        "[prices.models.a]\nbands = [{input = 1, output = 1, up_to_input_tokens = 10},"
        " {input = 1, output = 1, up_to_input_tokens = 10}, {input = 1, output = 1}]",
        "prices.models.a: needs bands in rising order of up_to_input_tokens",
    ),
    "certificate file missing": (
        "[server.tls]\ncert_file = 'no/cert.pem'\nkey_file = 'no/key.pem'",
        "server.tls.cert_file: cannot be read: No such file or directory",
    ),
    "key without a certificate": (
        "[server.tls]\nkey_file = 'no/key.pem'",
        "server.tls.key_file: needs cert_file beside it",
    ),
    "certificate without a key": (
        "[server.tls]\ncert_file = 'no/cert.pem'",
        "server.tls.cert_file: needs key_file beside it",
    ),
    "client authority alone": (
        "[server.tls]\nclient_ca_file = 'no/ca.pem'",
        "server.tls.client_ca_file: needs cert_file and key_file beside it",
    ),
    "key file missing": (
        "[upstream.anthropic]\napi_key_file = 'no/key'",
        "upstream.anthropic.api_key_file: cannot be read: No such file or directory",
    ),
    "key in the file": (
        "[upstream.anthropic]\napi_key = 'anything'",
        "upstream.anthropic.api_key: holds what looks like a key; keys do not belong in the file",
    ),
}


@pytest.mark.parametrize(("toml", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_a_faulty_configuration_is_told_what_is_wrong(toml: str, words: str) -> None:
    found = faults(toml)
    assert any(words in fault for fault in found), found


SEVERAL_MISTAKES = {
    "certificate file missing",
    "certificate without a key",
    "client authority alone",
    "evidence without a number",
    "key without a certificate",
    "tier left out but named by the profile",
}


@pytest.mark.parametrize("case", [case for case in FAULTS if case not in SEVERAL_MISTAKES])
def test_one_mistake_is_one_fault(case: str) -> None:
    found = faults(FAULTS[case][0])
    assert len(found) == 1, found
