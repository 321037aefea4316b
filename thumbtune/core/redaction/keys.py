"""Patterns of keys, tokens and passwords: by the prefixes their issuers document, by the words before them, by chance.

Written for the `regex` package, which presidio matches with, without regard to case: `\\K` begins the match anew, so that
the word before a secret stays.
"""

_PASSWORD = (
    "pass(?:word|wort|code|phrase)|passwd|pwd|kennwort|mot de passe|"
    "contraseña|senha|wachtwoord|lösenord|adgangskode|hasło"
)
_SECRET = r"secret|token|api[ _-]?key|(?:access|account|private|secret|license)[ _-]?key"
_WEAK = r"\bkey|\bpw|(?:\b|_)pass|\bsig|signature|session|\bsid|\bauth|\bcode|credentials?|\botp"
_IS = r"[\"'”’]?\s{0,2}[:=]\s{0,2}[\"'“‘`]?"
_MIXED = r"(?-i:(?=[^\s]{0,40}[a-z])(?=[^\s]{0,40}[A-Z])(?=[^\s]{0,40}\d))"

KEY_PATTERNS = (
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----.{0,8000}?(?:-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    r"\b(?:xoxe\.)?(?:xox[a-z]|xapp|xwfp)-[\w-]{8,}",
    r"\b(?:sk|rk|pk|whsec)[-_](?:[a-z0-9]{1,12}[-_]){0,3}[A-Za-z0-9_-]{16,}",
    r"\b(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA)[A-Z0-9]{16}\b",
    r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|gl(?:pat|ptt|rt)-[\w-]{16,})",
    r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]{4,})?",
    r"\b(?:AIza[\w-]{30,}|ya29\.[\w-]{20,}|npm_\w{30,}|pypi-[\w-]{30,}|hf_\w{20,}|dop_v1_\w{32,}|shp\w{2}_\w{24,})",
    r"\bSG\.[\w-]{16,}\.[\w-]{16,}|\b(?:SK|AC)[0-9a-f]{32}\b|\b\d{8,10}:AA[\w-]{30,}",
    r"hooks\.slack\.com/(?:services|workflows|triggers)/[\w/]{8,}",
    r"(?<=://)[^\s:@/]{1,80}:[^\s:@/]{1,80}(?=@)",
    r"\bbearer\s{1,3}\K[\w.~+/-]{16,}=*",
    r"\bauthorization[\"']?\s?[:=]\s?[\"']?\w{1,20}\s\K[^\s\"'`]{6,}",
    rf"(?:{_PASSWORD}|{_SECRET}){_IS}\K[^\s,;\"'`]{{4,}}",
    rf"(?:{_WEAK}){_IS}\K(?=[^\s,;\"'`]{{0,60}}\d)[^\s,;\"'`]{{8,}}",
    rf"(?:{_PASSWORD}|{_SECRET})(?:['’]s|\s(?:is|was|ist|war|lautet|est|es|é))?\s[\"'“‘`]?"
    r"\K(?=\S{0,60}\d)(?=\S{0,60}\p{L})[^\s,;\"'`]{4,}",
    r"\b(?:pin|cvv2?|cvc2?|(?:security|verification|one-time) code)(?:\s?[:=]|\s(?:is|was|ist))?\s?\K\d{3,8}\b",
    rf"[?&#][\w.\[\]-]{{1,40}}=\K{_MIXED}[^\s&#]{{16,}}",
    r"\b(?=[a-z]{0,60}\d)(?=\d{0,60}[a-z])[0-9a-f]{32,128}\b",
    rf"(?<![\w/+-]){_MIXED}[A-Za-z0-9+_-]{{36,}}={{0,2}}(?![\w/])",
    rf"(?<![\w/+.=-]){_MIXED}[A-Za-z0-9+][A-Za-z0-9/+]{{39,}}={{0,2}}(?![\w/])",
)
"""Keys and tokens by their prefixes, what a word announces as a secret, and long random words."""
