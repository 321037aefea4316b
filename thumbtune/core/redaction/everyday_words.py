"""Words that are also names, and words that never are: without them a participant called Price would empty every shop's
conversations of prices.

Names among them are taken for names only with a capital, and only where the words beside them do not speak against it.
"""

import re

_WORD = re.compile(r"\w+")

WORDS_THAT_ARE_NAMES = frozenset(
    _WORD.findall(
        "an angel april art august autumn baker ball bank banks bell best bill bin bird bishop black bloom blue bond "
        "booth bright brook brown buck bush can carpenter case cash chance chase chip church clay cliff close coffin cook "
        "cotton crane crisp cross crystal daisy dawn day days de del dick do don drew driver early earnest faith falls "
        "farmer field fields fish flora flower flowers foot ford forest foster fox frank french frost garden gardener "
        "german gift glass glen gold good grace grant gray green grey guest guy hall hand hardy harp hazel head heath "
        "hill holland holly hood hope house hunt hurt in iris ivory ivy jack jade jean jersey jewel joy judge june just "
        "keen key king knight la lake lamb lance land lane lang law le lead light lily link little lock long lord love "
        "low lucky ma major mark marks marsh may mercedes mercy merry miles mill mint money moon more moss nice no noble "
        "north office olive order page paige painter park parks partner pat patience peace pearl penny pepper pike pine "
        "pool pope porter post pound powder power price prince quick rain ray read reed reef rice rich ring rivers robin "
        "rock root rose rosemary ruby rush rusty sage sale sales salt sandy savage school scout sea sharp shepherd short "
        "silver singer sky small snow so son south sparks speed spring stamp star steel stone store strange street strong "
        "sue summer summers sun sunny sweet swift temple tower town trade trip van violet von wall walls ward waters way "
        "weeks well west white wild will win winner winter wise wolf wood woods work worth young der la al to be den dos "
        "das los las ter ten bon da di du el is it the and for you "
    )
)
"""Names that are everyday words."""

NEVER_NAMES = frozenset(
    _WORD.findall(
        "account accounts admin agent ask assistant away back billing bot care center centre chief community contact crew "
        "customer customers delivery department desk dr engineer engineering europe external finance from he help "
        "helpdesk her hers him his hr info intern international it leave legal logistics ltd manager marketing me mr mrs "
        "ms mx on online ooo ops order orders our out phd prof product returns sales service services she shipping shop "
        "staff success support team tech test the their them they until us vacation warehouse with work "
    )
)
"""What display names hold beside a name: a title, a team, pronouns, an absence."""

MONTHS = frozenset({"april", "may", "june", "august"})
WORDS_BEFORE_A_MONTH = frozenset(
    _WORD.findall("in since until till during early late mid last next this every through ")
)
WORDS_AFTER_A_VERB = frozenset(
    _WORD.findall(
        "i you he she it we they there this that these those the a an my your his her its our their all be not any "
        "someone anyone everything everyone as up "
    )
)
"""After an everyday word that begins a sentence: Will it come? May I ask? Mark it as read."""
