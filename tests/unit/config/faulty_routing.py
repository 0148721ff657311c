"""Routing tables with one mistake each, and the words that say so."""

from __future__ import annotations

ROUTING = {
    "unknown tier in a row": (
        "[[routing.rows]]\ntask_types = ['a']\ntier = 'frontear'",
        "routing.rows[0].tier: there is no tier 'frontear'; did you mean 'frontier'?",
    ),
    "unknown tier in a cascade": (
        "[[routing.rows]]\ntask_types = ['a']\ncascade = ['efficient', 'huge']",
        "routing.rows[0].cascade[1]: there is no tier 'huge'; there is efficient, frontier, reasoning",
    ),
    "unknown tier as default": (
        "[routing]\ndefault = 'fronteir'",
        "routing.default: there is no tier 'fronteir'; did you mean 'frontier'?",
    ),
    "unknown tier in a default policy": (
        "[routing.default]\ntier = 'fronteir'",
        "routing.default.tier: there is no tier 'fronteir'",
    ),
    "unknown tier in the escalation": (
        "[routing.escalation]\ncascade = ['tiny', 'frontier']",
        "routing.escalation.cascade[0]: there is no tier 'tiny'",
    ),
    "unknown tier in the order": (
        "[routing]\ntiers = ['efficient', 'frontier', 'reasoning', 'huge']",
        "routing.tiers[3]: there is no tier 'huge'; there is efficient, frontier, reasoning",
    ),
    "unknown tier in a measurement": (
        "[[routing.rows]]\ntask_types = ['a']\ntier = 'frontier'\nmeasured_output_tokens.huge = 5",
        "routing.rows[0].measured_output_tokens.huge: there is no tier 'huge'",
    ),
    "tier left out but named by the profile": (
        "[routing]\ntiers = ['frontier', 'reasoning']",
        "routing.tiers: leaves out tier 'efficient', which the row of 'classify_intent' of the profile",
    ),
    "tier left out but named by the profile's escalation": (
        "[routing]\ntiers = ['frontier', 'reasoning']\nprofile_rows = false\nescalation.threshold = 9",
        "routing.tiers: leaves out tier 'efficient', which the escalation of the profile names",
    ),
    "cascade of one": (
        "[[routing.rows]]\ntask_types = ['a']\ncascade = ['frontier']",
        "routing.rows[0].cascade: a cascade needs two tiers or more",
    ),
    "empty cascade": (
        "[routing.default]\ncascade = []",
        "routing.default.cascade: a cascade needs two tiers or more",
    ),
    "circle": (
        "[[routing.rows]]\ntask_types = ['a']\ncascade = ['efficient', 'frontier', 'efficient']",
        "routing.rows[0].cascade[2]: names tier 'efficient' again: a cascade must not go in a circle",
    ),
    "downwards": (
        "[[routing.rows]]\ntask_types = ['a']\ncascade = ['reasoning', 'frontier']",
        "routing.rows[0].cascade[1]: goes down: 'frontier' is weaker than 'reasoning'",
    ),
    "threshold too high": (
        "[routing.escalation]\nthreshold = 11",
        "routing.escalation.threshold: threshold 11 is out of range: self_report scores from 1 to 10",
    ),
    "threshold as a share": (
        "[routing.escalation]\nthreshold = 0.8",
        "as a share of 1, 0.8 is 8 on this scale",
    ),
    "threshold in a row": (
        "[[routing.rows]]\ntask_types = ['a']\ncascade = ['efficient', 'frontier']\nthreshold = 0",
        "routing.rows[0].threshold: threshold 0 is out of range",
    ),
    "threshold in a default": (
        "[routing.default]\ncascade = ['efficient', 'frontier']\nthreshold = -3",
        "routing.default.threshold: threshold -3 is out of range",
    ),
    "unknown method": (
        "[routing.escalation]\nmethod = 'self_raport'",
        "routing.escalation.method: 'self_raport' is not one of self_report; did you mean",
    ),
    "threshold without a cascade": (
        "[[routing.rows]]\ntask_types = ['a']\ntier = 'frontier'\nthreshold = 8",
        "routing.rows[0].threshold: only means something with a cascade",
    ),
    "tier and cascade": (
        "[[routing.rows]]\ntask_types = ['a']\ntier = 'frontier'\ncascade = ['efficient', 'frontier']",
        "routing.rows[0]: has both a tier and a cascade",
    ),
    "neither tier nor cascade": (
        "[[routing.rows]]\ntask_types = ['a']",
        "routing.rows[0]: needs a tier or a cascade",
    ),
    "row without task types": (
        "[[routing.rows]]\ntier = 'frontier'",
        "routing.rows[0].task_types: is missing",
    ),
    "row with no task type": (
        "[[routing.rows]]\ntask_types = []\ntier = 'frontier'",
        "routing.rows[0].task_types: needs 1 or more",
    ),
    "two rows for a task type": (
        "[[routing.rows]]\ntask_types = ['a']\ntier = 'frontier'\n"
        "[[routing.rows]]\ntask_types = ['b', 'a']\ntier = 'efficient'",
        "routing.rows[1].task_types[1]: there are two rows for 'a'",
    ),
    "nothing routed": (
        "[routing]\nprofile_rows = false\ndefault = 'refuse'",
        "routing.default: refuses every task: there is no row",
    ),
    "two tiers of one name": (
        "[[tiers]]\nname = 'efficient'\n[[tiers]]\nname = 'efficient'",
        "tiers[1].name: there are two tiers named 'efficient'",
    ),
    "tier twice in the order": (
        "[routing]\ntiers = ['efficient', 'frontier', 'frontier', 'reasoning']",
        "routing.tiers: names tier 'frontier' 2 times",
    ),
    "tier named refuse": (
        "[[tiers]]\nname = 'refuse'\nmodel = 'claude-opus-5-5'",
        "tiers[0].name: 'refuse' has a meaning of its own",
    ),
    "tier without a name": ("[[tiers]]\nmodel = 'x'", "tiers[0].name: is missing"),
    "empty name": ("[[tiers]]\nname = ''", "tiers[0].name: is empty"),
    "long name": (f"[[tiers]]\nname = '{'n' * 65}'", "tiers[0].name: is longer than 64 characters"),
    "control character": (
        '[[routing.rows]]\ntask_types = ["a\\u0007"]\ntier = "frontier"',
        "routing.rows[0].task_types[0]: holds a control or invisible character",
    ),
    "line separator": (
        '[[tiers]]\nname = "a\\u2028b"',
        "tiers[0].name: holds a control or invisible",
    ),
    "name with spaces around": (
        "[[tiers]]\nname = ' a'",
        "tiers[0].name: begins or ends with white",
    ),
}
