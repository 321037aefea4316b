"""Three hundred messages in which nothing identifies anyone: prices, dates, times, codes and words that are also names."""

import random
from collections.abc import Sequence

SEED = 20_261_122
COUNT = 300

SENTENCES: Sequence[str] = (
    "May I ask when the shop opens in May?",
    "The parcel may come on May 5 or 6 May.",
    "Since May 2026 the price went up.",
    "It will come, will it not?",
    "Will you send it again?",
    "Will it fit through the door?",
    "Will the teapot break?",
    "The price of the rose is on the price list.",
    "A rose by any name: the baker sells bread.",
    "In early May we moved.",
    "The support team and customer care will help.",
    "Ask the sales team, she said, or our support.",
    "Until May everything worked.",
    "Version 1.2.3 of the app crashes, 1.2.2 did not.",
    "Firmware 10.0.19041.1 is installed.",
    "Error 0x80070057 at line 1204.",
    "We are open 9-12 and 13-17, Saturdays 10.00-18.00.",
    "Opening hours: Mon 08.00 - 16.30, Sun 11:00-15:00.",
    "It costs 1.299.000 kr or 12.500.000 IDR.",
    "The total was 1 299 000 kr with tax.",
    "Pay € 12500000 or $2500000 at once?",
    "It weighs 1.250 g, is 120x200x35 mm and holds 2,5 l.",
    "Scores 3-2, 4-1 and 10-12 in 2025/2026.",
    "Room 12-14, floor 3, door 4B.",
    "The ISBN is on the back.",
    "Reset your password in the settings.",
    "The token is shown once, then hidden.",
    "My password is wrong, what now?",
    "Is the password case-sensitive?",
    "The API key is missing from the page.",
    "Basic subscription or premium?",
    "Key: press and hold for 5 seconds.",
    "The code is not accepted.",
    "Secret Santa was fun!",
    "Look at example.com/tea?color=green&size=12 please.",
    "See https://shop.example/products/green-tea-and-more-2026-edition/reviews.",
    "Meet me at noon at the shop.",
    "We are at table 4.",
    "I looked at page 12 at home.",
    "@channel the shop is closed",
    "@here anyone?",
    "Use #tea or #2 on the list.",
    "Step 1/2: open, step 2/2: close.",
    "It is -12.5 °C; +3 tomorrow.",
    "Ratio 16:9, 1920x1080, 60 fps.",
    "שלום, איפה החבילה שלי? 👩‍👩‍👧",
    "مرحبا، أين طردي؟",
    "Wann kommt mein Paket? Danke schön!",
    "商品はいつ届きますか。",
    "Når kommer pakken min?",
    "He said: “it broke in 3 places”.",
    "Postcode 10115 in Berlin is served.",
    "Between 2020-2025 prices rose by 12-14 %.",
    "I ordered 2 x 250 g, 1 x 500 g and 3 x 1 kg.",
    "call me maybe",
    "The car key: where is it?",
    "I bought it for my mother.",
    "On 12.03.2026, 14.30 we wait.",
    "Dates: 2026-03-02 10:30:00, 02/03/2026, 3/12/26, 20.12.25 14.30.",
    "At 2026-03-02T10:30:00Z it failed.",
    "Batteries: 4 AA, 2 AAA; 1.5 V each, 2600 mAh.",
    "USB-C 3.2, Wi-Fi 802.11ax, IPv6, HTTP 404.",
    "Model KX-4 and T-100 fit.",
    "All prices in EUR: 9,90 / 19,90 / 29,90.",
    "Mondays to Fridays, 24/7 online.",
    "Ein Mai ohne Regen.",
    "Happy new year 2027! 🎆🎆",
)

_TEMPLATES = (
    "It costs {amount} and took {n} days.",
    "I paid {amount} on {date}.",
    "You promised {date}, {time}.",
    "We met at {time} on {date}.",
    "The {thing} came {n} days late.",
    "My {thing} is {n} cm too long.",
    "Open from {time}-{time}.",
    "Since {date} the {thing} is gone.",
    "Between {date} and {date} it worked.",
    "I want {n} of {n}, for {amount}.",
    "Is version {n}.{n}.{n} of the {thing} out?",
    "Take {n}-{n} drops, {n} times a day.",
    "The {thing} is {n} × {n} × {n} mm.",
    "{n}% off, so {amount} less?",
    "Page {n}/{n}, line {n}.",
)
_THINGS = ("teapot", "invoice", "parcel", "app", "gift card", "subscription", "label", "lid", "shirt", "charger")
_AMOUNTS = (
    "${}.{:02}",
    "€{},{:02}",
    "{}.{:02} EUR",
    "{},{:02} kr",
    "£{}.{:02}",
    "{}.{:02} USD",
    "1.{:03}.{:03} kr",
    "{} 000 kr, not {}",
)
_DATES = (
    "{2}-{1:02}-{0:02}",
    "{0}.{1}.{2}",
    "{0:02}.{1:02}.{2}",
    "{0:02}/{1:02}/{2}",
    "{1}/{0}/26",
    "{0:02}.{1:02}.26",
    "{0} May {2}",
    "May {0}",
)


def build_clean() -> list[str]:
    """Return the sentences."""
    rng = random.Random(SEED)
    made = [_fill(rng, rng.choice(_TEMPLATES)) for _ in range(COUNT - len(SENTENCES))]
    return [*SENTENCES, *made]


def _fill(rng: random.Random, template: str) -> str:
    while "{" in template:
        template = template.replace("{n}", str(rng.randint(1, 400)), 1)
        template = template.replace("{thing}", rng.choice(_THINGS), 1)
        template = template.replace("{amount}", rng.choice(_AMOUNTS).format(rng.randint(1, 999), rng.randint(0, 99)), 1)
        template = template.replace(
            "{date}", rng.choice(_DATES).format(rng.randint(1, 28), rng.randint(1, 12), rng.randint(1999, 2029)), 1
        )
        template = template.replace("{time}", f"{rng.randint(0, 23)}{rng.choice(':.')}{rng.randint(0, 59):02}", 1)
    return template
