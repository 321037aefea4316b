"""Tells one customer's own affair (what happened to them, what was done for them) from what is so for everyone.

It does not know what the affair is. Its words are known in English, and the plainest in German, French and Spanish.
"""

import re

_OWN = re.compile(
    r"\b(?:my|mine|our|ours|mein(?:e[mnrs]?)?|unser(?:e[mnrs]?)?|mon|ma|mes|notre|nos|mis?|nuestr[oa]s?)\b"
    r"|\bme han?\b|\bhe \w+[ai]do\b"
    r"|\b(?:can|could|would) you (?:please )?(?:cancel|refund|change|check|delete|look|stop)\b"
    r"|^\W*(?:(?:hi|hello|hey)\W+)?(?:please )?(?:cancel|refund|change|check|delete|stop)\b"
    r"|\bwhere(?:['’]s| is| are) (?:the|that) (?:parcel|package|order|delivery|shipment|refund|money)\b"
    r"|\b(?:hasn['’]t|has not|didn['’]t|did not|still not|never) (?:\w+ )?(?:arriv|c[oa]me|been|turn)\w*"
    r"|\barrived (?:\w+ )?(?:broken|damaged|empty|late)\b",
    re.IGNORECASE,
)
_ASKING = re.compile(
    r"\b(?:i|we)(?:['’]d| would| want| wanted)? (?:like |love )?to (?:know|ask)\b"
    r"|\b(?:i|we)(?: was|['’]m| am| are|['’]re)? (?:just )?wonder(?:ed|ing)?\b"
    r"|\b(?:i|we)(?: have|['’]ve)(?: got)? an? (?:\w+ )?question\b"
    r"|\bich (?:möchte|würde gerne?|wollte) (?:wissen|fragen)\b",
    re.IGNORECASE,
)
"""Words around a question that say nothing of an affair."""
_ANYONES = (
    r"(?:can|could|may|might|do|should|must|would|if|when|whenever|until|before|after|once|how|"
    r"kann|können|darf|dürfen|muss|müssen|soll|sollen|wenn|falls|bis|bevor|puis|si|quand)[ ,]+"
)
"""What stands before "I" in a question that anyone may ask: "Can I …", "What if I …"."""
_ANYONE = re.compile(
    rf"\b{_ANYONES}(?:i|we|ich|wir|je|nous)\b(?! (?:expect|get|receive|got|had|was|were|\w+ed)\b)", re.IGNORECASE
)
_WE = re.compile(r"\b(?:i|we|ich|wir|je|j['’]ai|nous)\b", re.IGNORECASE)
_DEED = re.compile(
    r"\b(?:i|we)(?:['’]ve| have)(?: \w+)? (?:\w+ed|sent|put|made|paid|set|found|given|taken|written)\b"
    r"|\b(?:i|we)(?: just)? (?:checked|looked|cancelled|canceled|refunded|sent|asked|found|changed|booked)\b"
    r"|(?:^|[,.!:])\s*(?:all )?done\b|\bich habe\b|\berledigt\b|\bj['’]ai\b|\bhe \w+[ai]do\b",
    re.IGNORECASE,
)


def tells_own_case(text: str) -> bool:
    """Return whether a customer tells of what is theirs or happened to them: "my parcel", "I was charged twice"."""
    rest = _ANYONE.sub(" ", _ASKING.sub(" ", text))
    return bool(_OWN.search(rest) or _WE.search(rest))


def tells_deed(text: str) -> bool:
    """Return whether a reply tells what was done or found out for one customer: "Done, …", "I have refunded …"."""
    return _DEED.search(text) is not None
